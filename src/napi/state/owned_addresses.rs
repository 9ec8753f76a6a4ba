//! Which addresses have an owner, in all threads of the process.
//!
//! Slots, tickets and pools are asked themselves. Here is what none of them knows: blocks that outlived their slot, and
//! addresses that are being consumed.

use std::collections::BTreeMap;
#[cfg(not(loom))]
use std::sync::LazyLock;
use std::sync::PoisonError;

use super::slot_table::Owned;
use super::{registry, tickets};
use crate::sync::{Mutex, MutexGuard, yield_now};
use crate::{block, reclaim};

/// What is known of addresses besides what slots, tickets and pools say.
#[derive(Default)]
pub(crate) struct OwnedAddresses {
    /// The blocks that outlived their slot: an `ArrayBuffer` still holds them.
    orphans: BTreeMap<usize, Orphan>,
    /// The blocks over which there is a `SharedArrayBuffer`, whoever owns them now.
    shared: BTreeMap<usize, Shared>,
    /// The blocks that were leaked, and their lengths.
    leaked: BTreeMap<usize, usize>,
    /// The addresses that are being consumed.
    claims: BTreeMap<usize, Claim>,
}

/// A block that outlived its slot.
struct Orphan {
    len: usize,
    /// Whether it was freed while somebody may have been using its bytes.
    let_go: bool,
}

/// A block over which there is a `SharedArrayBuffer`.
struct Shared {
    len: usize,
    /// Whether it is all that the block has.
    is_left: bool,
}

/// Blocks, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
}

/// How far a block is on its way to its new owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It is where it was: whoever wants it too is late.
    Claimed,
    /// It is being resized: at some moment of this C gives the old address away.
    Resizing,
}

#[cfg(not(loom))]
static OWNED: LazyLock<Mutex<OwnedAddresses>> = LazyLock::new(Mutex::default);
#[cfg(loom)]
loom::lazy_static! {
    static ref OWNED: Mutex<OwnedAddresses> = Mutex::new(OwnedAddresses::default());
}

/// Even after a panic the maps would be usable. Order of locks: that of a [`SharedBlock`](super::shared_block)
/// or of a [`Share`](super::share), this one, those of tickets, pools, the registry and the debug mode.
pub(crate) fn lock() -> MutexGuard<'static, OwnedAddresses> {
    OWNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Claims an address, if nobody owns or claims it. Waits where another thread's resize is deciding that.
pub(crate) fn claim(address: usize) -> bool {
    loop {
        {
            let mut owned = lock();
            match owned.owns(address) {
                Owned::Yes => return false,
                Owned::No => return owned.claims.insert(address, Claim::Claimed).is_none(),
                Owned::Unsettled => {}
            }
        }
        yield_now();
    }
}

/// Says that a claimed block is being resized from now on, until the claim is given up. Returns whether it was claimed.
pub(crate) fn begin_resize(address: usize) -> bool {
    match lock().claims.get_mut(&address) {
        Some(claim @ Claim::Claimed) => {
            *claim = Claim::Resizing;
            true
        }
        _ => false,
    }
}

impl OwnedAddresses {
    /// Notes a block that outlived its slot; `let_go` says that it was freed while somebody may be using its bytes.
    pub(crate) fn add_orphan(&mut self, start: usize, len: usize, let_go: bool) {
        self.orphans.insert(start, Orphan { len, let_go });
    }

    pub(crate) fn remove_orphan(&mut self, start: usize) {
        self.orphans.remove(&start);
    }

    /// Notes a block over which a `SharedArrayBuffer` was made. Its owner still has it.
    pub(crate) fn add_shared(&mut self, start: usize, len: usize) {
        self.shared.insert(start, Shared { len, is_left: false });
    }

    /// Notes that nothing but `SharedArrayBuffer`s has the block any more.
    pub(crate) fn note_left(&mut self, start: usize) {
        if let Some(shared) = self.shared.get_mut(&start) {
            shared.is_left = true;
        }
    }

    pub(crate) fn remove_shared(&mut self, start: usize) {
        self.shared.remove(&start);
    }

    pub(crate) fn add_leaked(&mut self, start: usize, len: usize) {
        self.leaked.insert(start, len);
    }

    /// Whether `address` lies in a block that is owned by a slot, by an `ArrayBuffer` or a `SharedArrayBuffer`, by a pool that
    /// retains it, by whoever has its ticket, or by nobody any more.
    pub(crate) fn owns(&self, address: usize) -> Owned {
        match self.claims.get(&address) {
            Some(Claim::Claimed) => return Owned::Yes,
            Some(Claim::Resizing) => return Owned::Unsettled,
            None => {}
        }
        if within(&self.shared, address, |shared| shared.len) {
            return Owned::Yes;
        }
        let in_orphan = within(&self.orphans, address, |orphan| orphan.len);
        let is_leaked = within(&self.leaked, address, |len| *len);
        // Where secure blocks are, or were, no block of C can be.
        if in_orphan || is_leaked || tickets::owns(address) || reclaim::retains(address) || block::in_vault(address) {
            return Owned::Yes;
        }
        registry::owns(address)
    }

    /// Gives up a claim.
    pub(crate) fn unclaim(&mut self, address: usize) {
        self.claims.remove(&address);
    }

    /// The blocks that wait for the end of their `ArrayBuffer`.
    pub(crate) fn orphans(&self) -> Sum {
        Sum::of(self.orphans.values().map(|orphan| orphan.len))
    }

    /// Those among them that were freed while somebody may have been using their bytes.
    pub(crate) fn let_go(&self) -> Sum {
        Sum::of(self.orphans.values().filter(|orphan| orphan.let_go).map(|orphan| orphan.len))
    }

    /// The blocks that wait for the end of their last `SharedArrayBuffer`.
    pub(crate) fn left_to_sharers(&self) -> Sum {
        Sum::of(self.shared.values().filter(|shared| shared.is_left).map(|shared| shared.len))
    }

    /// Whether a block lives on without a handle that could free it.
    pub(crate) fn has_no_handle(&self, start: usize) -> bool {
        let is_left = self.shared.get(&start).is_some_and(|shared| shared.is_left);
        is_left || self.orphans.contains_key(&start) || self.leaked.contains_key(&start)
    }

    pub(crate) fn leaked(&self) -> u64 {
        self.leaked.len() as u64
    }
}

impl Sum {
    fn of(lengths: impl Iterator<Item = usize>) -> Self {
        lengths.fold(Self::default(), |sum, len| Self { blocks: sum.blocks + 1, bytes: sum.bytes + len as u64 })
    }
}

fn within<T>(blocks: &BTreeMap<usize, T>, address: usize, len_of: impl Fn(&T) -> usize) -> bool {
    blocks.range(..=address).next_back().is_some_and(|(start, block)| address - start < len_of(block))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_claimed_once() {
        assert!(claim(4096));
        assert!(!claim(4096));
        lock().unclaim(4096);
        assert!(!begin_resize(4096));
        assert!(claim(4096) && begin_resize(4096) && !begin_resize(4096));
        lock().unclaim(4096);
    }

    #[test]
    fn the_inside_of_an_orphan_is_owned() {
        lock().add_orphan(1 << 40, 100, false);
        assert_eq!([1 << 40, (1 << 40) + 99].map(|address| lock().owns(address)), [Owned::Yes; 2]);
        assert_eq!([(1 << 40) + 100, (1 << 40) - 1].map(|address| lock().owns(address)), [Owned::No; 2]);
        lock().remove_orphan(1 << 40);
        assert_eq!(lock().owns(1 << 40), Owned::No);
    }
}
