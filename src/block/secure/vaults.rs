//! Vaults: locked and hidden pages that many small secure blocks share.
//!
//! Each vault is divided into cells of one size, a power of two, so that a cell is aligned to its size. A cell has one
//! owner, which frees it in whichever thread. It is wiped then, and a vault of which no cell is taken any more is given
//! back.
//!
//! A new vault is as large as all of its size together, up to [`LARGEST`]. So a few keys lock a page, and many keys
//! need few mappings.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cells::Cells;
use super::pages;
use super::wipe::zero;
use crate::error::OutOfMemory;
use crate::length::BlockLen;
use crate::os;

/// The smallest cell: what `malloc` aligns to.
const SMALLEST: usize = 16;

/// The largest cell, where pages are larger.
const LARGEST_CELL: usize = 64 << 10;

/// The largest vault.
const LARGEST: usize = 1 << 20;

/// Pages that are divided into cells. It owns the pages, and each cell that is not taken.
struct Vault {
    start: NonNull<u8>,
    len: usize,
    /// The size of a cell.
    size: usize,
    cells: Cells,
}

// SAFETY: only its cells are shared, and each has one owner. The vault itself is used under the lock of `VAULTS`.
unsafe impl Send for Vault {}

struct Vaults {
    /// By their addresses.
    all: BTreeMap<usize, Vault>,
    /// The size of the cells and the address of each vault that has a free one.
    open: BTreeSet<(usize, usize)>,
}

static VAULTS: Mutex<Vaults> = Mutex::new(Vaults::new());

/// Whoever holds this lock takes no other. Nothing panics meanwhile.
fn lock() -> MutexGuard<'static, Vaults> {
    VAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The size of a cell for so many bytes; `None` if they need more than a page. What is touched in a cell is too short
/// to ask the C allocator about it, which does not know cells.
pub(super) fn cell_size(room: BlockLen, alignment: usize) -> Option<usize> {
    let page = os::page_size().min(LARGEST_CELL);
    (room.get() <= page && alignment <= page).then(|| room.get().next_power_of_two().max(alignment).max(SMALLEST))
}

/// Takes a cell of a size from [`cell_size`], for a block of `len` bytes.
pub(super) fn take(size: usize, len: BlockLen) -> Result<NonNull<u8>, OutOfMemory> {
    lock().take(size, len)
}

/// Wipes a cell and gives it back. Returns whether it is one: otherwise nothing is done.
///
/// # Safety
///
/// If `start` is in a vault, it must come from [`take`]. The caller must own the cell, and does not use it again.
pub(super) unsafe fn give_back(start: NonNull<u8>) -> bool {
    // SAFETY: passed on from the caller.
    unsafe { lock().give_back(start) }
}

/// Whether an address lies in a vault: no block of C is there.
pub(crate) fn holds(address: usize) -> bool {
    lock().at(address).is_some()
}

impl Vaults {
    const fn new() -> Self {
        Self { all: BTreeMap::new(), open: BTreeSet::new() }
    }

    fn take(&mut self, size: usize, len: BlockLen) -> Result<NonNull<u8>, OutOfMemory> {
        // The lowest, so that the others have the chance to become empty.
        let address = match self.open.range((size, 0)..(size + 1, 0)).next() {
            Some((_, address)) => *address,
            None => self.add(size, len)?,
        };
        let taken = self.all.get_mut(&address).and_then(|vault| Some((vault.take()?, vault.cells.is_full())));
        if !matches!(taken, Some((_, false))) {
            self.open.remove(&(size, address));
        }
        taken.map(|(cell, _)| cell).ok_or(OutOfMemory::Allocator { requested: len.get() })
    }

    /// Adds a vault; a smaller one than there should be, if the system refuses that. Returns its address.
    fn add(&mut self, size: usize, len: BlockLen) -> Result<usize, OutOfMemory> {
        let page = os::page_size();
        let others: usize = self.all.values().filter(|vault| vault.size == size).map(|vault| vault.len).sum();
        let mut wanted = others.clamp(page, LARGEST.max(page));
        let vault = loop {
            match Vault::new(wanted, size, len) {
                Err(_) if wanted > page => wanted = pages::whole_pages(wanted / 2),
                result => break result?,
            }
        };
        let address = vault.start.addr().get();
        self.all.insert(address, vault);
        self.open.insert((size, address));
        Ok(address)
    }

    /// The vault in which an address lies.
    fn at(&mut self, address: usize) -> Option<&mut Vault> {
        let (start, vault) = self.all.range_mut(..=address).next_back()?;
        (address - start < vault.len).then_some(vault)
    }

    /// # Safety
    ///
    /// As for [`give_back`].
    unsafe fn give_back(&mut self, cell: NonNull<u8>) -> bool {
        let Some(vault) = self.at(cell.addr().get()) else { return false };
        // SAFETY: passed on from the caller.
        unsafe { vault.give_back(cell) };
        let place = (vault.size, vault.start.addr().get());
        if vault.cells.is_empty() {
            self.open.remove(&place);
            self.all.remove(&place.1);
        } else {
            self.open.insert(place);
        }
        true
    }
}

impl Vault {
    /// `requested` is the length of the block for which it is made.
    fn new(len: usize, size: usize, requested: BlockLen) -> Result<Self, OutOfMemory> {
        let start = pages::obtain(len, BlockLen::new(len)?, 1, requested.get())?;
        Ok(Self { start, len, size, cells: Cells::new(len / size) })
    }

    fn take(&mut self) -> Option<NonNull<u8>> {
        let index = self.cells.take()?;
        // SAFETY: the vault has `len / size` cells, one after the other.
        Some(unsafe { self.start.add(index * self.size) })
    }

    /// # Safety
    ///
    /// `cell` must come from [`take`](Self::take). The caller must own it, and does not use it again.
    unsafe fn give_back(&mut self, cell: NonNull<u8>) {
        // All of it: the debug mode writes after the block, and a block that was shortened left bytes there.
        // SAFETY: the caller gives up the cell.
        unsafe { zero(cell.as_ptr(), self.size) };
        self.cells.give_back((cell.addr().get() - self.start.addr().get()) / self.size);
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        debug_assert!(self.cells.is_empty());
        // SAFETY: no cell is taken. Each that was is wiped.
        unsafe { pages::give_back(self.start, self.len) };
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "freebsd", miri)))]
mod tests {
    use super::*;

    const KEY: usize = 32;

    fn take(vaults: &mut Vaults, size: usize) -> NonNull<u8> {
        vaults.take(size, BlockLen::new(size).unwrap()).expect("so little can be locked")
    }

    /// # Safety
    ///
    /// As for [`give_back`].
    unsafe fn give_back(vaults: &mut Vaults, cells: impl IntoIterator<Item = NonNull<u8>>) {
        for cell in cells {
            // SAFETY: passed on from the caller.
            assert!(unsafe { vaults.give_back(cell) });
        }
    }

    #[test]
    fn a_cell_has_room_and_alignment() {
        let size = |room, alignment| cell_size(BlockLen::new(room).unwrap(), alignment);
        let page = os::page_size();
        assert_eq!([size(1, 1), size(17, 1), size(32, 1)], [Some(16), Some(32), Some(32)]);
        assert_eq!([size(1, 64), size(65, 64), size(1, page)], [Some(64), Some(128), Some(page)]);
        assert_eq!([size(page, 1), size(page + 1, 1), size(1, 2 * page)], [Some(page), None, None]);
        assert_eq!(size(isize::MAX as usize, 1), None);
    }

    #[test]
    fn many_cells_share_few_vaults_and_are_apart() {
        let mut vaults = Vaults::new();
        let count = if cfg!(miri) { 300 } else { 10_000 };
        let cells: Vec<_> = (0..count).map(|_| take(&mut vaults, KEY)).collect();
        for (index, cell) in cells.iter().enumerate() {
            assert!(cell.addr().get().is_multiple_of(KEY));
            // SAFETY: the cell has that many bytes, and only this test has it.
            unsafe { cell.write_bytes(index as u8, KEY) };
        }
        for (index, cell) in cells.iter().enumerate() {
            // SAFETY: as above; all of it was written.
            assert_eq!(unsafe { std::slice::from_raw_parts(cell.as_ptr(), KEY) }, [index as u8; KEY]);
        }
        let locked: usize = vaults.all.values().map(|vault| vault.len).sum();
        assert!(vaults.all.len() <= 12, "{} vaults", vaults.all.len());
        assert!(locked <= (2 * count * KEY).next_multiple_of(os::page_size()), "{locked} bytes");
        // SAFETY: each is given back once.
        unsafe { give_back(&mut vaults, cells) };
        assert!(vaults.all.is_empty() && vaults.open.is_empty());
    }

    #[test]
    fn a_freed_cell_is_zero_and_the_next_one_taken() {
        let mut vaults = Vaults::new();
        let cells = [KEY, KEY, 2 * KEY].map(|size| take(&mut vaults, size));
        // SAFETY: the cell has that many bytes. After its end its vault, which has another cell, is there still, and
        // nobody else has this one.
        unsafe {
            cells[0].write_bytes(7, KEY);
            give_back(&mut vaults, [cells[0]]);
            assert_eq!(std::slice::from_raw_parts(cells[0].as_ptr(), KEY), [0; KEY]);
        }
        assert_eq!(take(&mut vaults, KEY), cells[0]);
        assert_eq!(vaults.all.len(), 2, "one for each size");
        // SAFETY: each is given back once.
        unsafe { give_back(&mut vaults, [cells[0], cells[1]]) };
        assert_eq!(vaults.all.len(), 1, "the empty one is gone");
        assert!(vaults.at(cells[1].addr().get()).is_none() && vaults.at(cells[2].addr().get() + KEY).is_some());
        // SAFETY: it is not in a vault any more, or given back once.
        unsafe {
            assert!(!vaults.give_back(cells[1]));
            give_back(&mut vaults, [cells[2]]);
        }
    }

    #[test]
    fn a_full_vault_is_open_again_after_a_free() {
        let mut vaults = Vaults::new();
        let page = os::page_size();
        // Two vaults of a page, and one of two.
        let cells: Vec<_> = (0..4).map(|_| take(&mut vaults, page)).collect();
        assert_eq!((vaults.all.len(), vaults.open.len()), (3, 0));
        // SAFETY: each is given back once.
        unsafe { give_back(&mut vaults, [cells[3]]) };
        assert_eq!((vaults.all.len(), vaults.open.len()), (3, 1));
        assert_eq!(take(&mut vaults, page), cells[3]);
        // SAFETY: likewise.
        unsafe { give_back(&mut vaults, cells) };
        assert!(vaults.all.is_empty() && vaults.open.is_empty());
    }
}
