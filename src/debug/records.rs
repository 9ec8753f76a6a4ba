//! What is known of each block while the debug mode is on.
//!
//! A record is taken out before the allocator may give the block's address to somebody else, and is
//! put in only when the block is there: so an address has one record, and the memory behind a record
//! is always a live block.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::redzone::{self, Damage};
use super::report::{Corruption, report};

/// Where a block starts; its owner's pointer, not only a number.
struct Start(NonNull<u8>);

// SAFETY: the pointer is used under the lock of `RECORDS` only, for bytes of a block that is alive, and
// blocks may be used in any thread.
unsafe impl Send for Start {}

/// What is known of a block.
pub(crate) struct Record {
    start: Start,
    len: usize,
    /// 0 if the block could not be resized as it was consumed, so that there is no room for one.
    redzone: usize,
    /// Whether its pages may never have been used: then it is not poisoned, which would use them all.
    lazy: bool,
    /// Blocks are numbered in the order in which they came.
    #[cfg_attr(not(feature = "napi"), expect(dead_code, reason = "the binding alone lists blocks"))]
    number: u64,
    stack: Option<Box<str>>,
}

/// A block that is alive.
#[cfg(feature = "napi")]
pub(crate) struct Live {
    pub(crate) address: usize,
    pub(crate) len: usize,
    pub(crate) stack: Option<Box<str>>,
}

struct Records {
    blocks: BTreeMap<usize, Record>,
    count: u64,
}

static RECORDS: Mutex<Records> = Mutex::new(Records { blocks: BTreeMap::new(), count: 0 });

/// Nothing else is locked, and nothing is called that may come back here, while it is held.
fn lock() -> MutexGuard<'static, Records> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    /// # Safety
    ///
    /// The record must be in the map, or its block be held by the caller.
    unsafe fn write_redzone(&self) {
        // SAFETY: a redzone of that length follows the `len` bytes of the block, which is alive.
        unsafe { redzone::write(self.start.0.as_ptr().add(self.len), self.redzone) }
    }

    /// Checks the redzone, and makes it good again, so that damage is found once.
    ///
    /// # Safety
    ///
    /// As for [`write_redzone`](Self::write_redzone).
    unsafe fn check(&self, found_by: &'static str) -> Result<(), Corruption> {
        // SAFETY: as in `write_redzone`.
        let Err(damage) = (unsafe { redzone::verify(self.start.0.as_ptr().add(self.len), self.redzone) }) else {
            return Ok(());
        };
        // SAFETY: passed on from the caller.
        unsafe { self.write_redzone() };
        Err(self.corruption(damage, found_by))
    }

    fn corruption(&self, damage: Damage, found_by: &'static str) -> Corruption {
        let address = self.start.0.as_ptr().addr();
        Corruption::new(address, self.len, self.redzone, damage, found_by, self.stack.clone())
    }
}

/// Enters a new block.
///
/// # Safety
///
/// The caller must hold a live block of `len + redzone` bytes, and take the record out before the block
/// goes or moves.
#[cold]
pub(crate) unsafe fn admit(start: NonNull<u8>, len: usize, redzone: usize, lazy: bool) {
    let mut records = lock();
    records.count += 1;
    let record = Record { start: Start(start), len, redzone, lazy, number: records.count, stack: None };
    // SAFETY: the caller holds the block.
    unsafe { record.write_redzone() };
    records.blocks.insert(start.as_ptr().addr(), record);
}

/// Fills bytes that nobody has written to yet, so that they are not mistaken for zeros.
///
/// # Safety
///
/// `start` must be valid for writes of `len` bytes.
#[cold]
pub(crate) unsafe fn paint(start: *mut u8, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe { redzone::write_uninit(start, len) }
}

/// Checks the block at an address. What is found is reported, and found once.
#[cold]
pub(crate) fn check(start: NonNull<u8>, found_by: &'static str) -> Result<(), Corruption> {
    let checked = match lock().blocks.get(&start.as_ptr().addr()) {
        // SAFETY: the record is in the map.
        Some(record) => unsafe { record.check(found_by) },
        None => Ok(()),
    };
    checked.inspect_err(report)
}

/// Takes the record of a block out that may move, and checks the block.
#[cold]
pub(crate) fn suspend(start: NonNull<u8>, found_by: &'static str) -> Option<Record> {
    let record = lock().blocks.remove(&start.as_ptr().addr())?;
    // SAFETY: the caller holds the block.
    super::count_untold(unsafe { record.check(found_by) }.inspect_err(report));
    Some(record)
}

/// Puts a suspended record back. With `grown` the block has a redzone from now on; else it has one if it
/// had one before.
///
/// # Safety
///
/// As for [`admit`], the redzone being that of [`redzone`](super::redzone()) with `grown`.
#[cold]
pub(crate) unsafe fn resume(record: Option<Record>, start: NonNull<u8>, len: usize, grown: bool) {
    let Some(mut record) = record else { return };
    record.start = Start(start);
    record.len = len;
    if grown {
        record.redzone = super::redzone();
    }
    // SAFETY: the caller holds the block.
    unsafe { record.write_redzone() };
    lock().blocks.insert(start.as_ptr().addr(), record);
}

/// The block stays where it is, but is shorter now.
#[cfg(feature = "napi")]
#[cold]
pub(crate) fn shorten(start: NonNull<u8>, len: usize) {
    if let Some(record) = lock().blocks.get_mut(&start.as_ptr().addr()) {
        debug_assert!(len <= record.len);
        record.len = len;
        // SAFETY: the record is in the map, and was longer before.
        unsafe { record.write_redzone() };
    }
}

/// Checks a block that is given away. What was its redzone is now memory like any other, which its next
/// owner does not know of.
#[cold]
pub(crate) fn release(start: NonNull<u8>, found_by: &'static str) {
    drop(suspend(start, found_by));
}

/// Checks a block that is about to be freed, and poisons it.
#[cold]
pub(crate) fn retire(start: NonNull<u8>, found_by: &'static str) -> Result<(), Corruption> {
    // A block that was not admitted may not be resident: it is not written to.
    let Some(record) = lock().blocks.remove(&start.as_ptr().addr()) else { return Ok(()) };
    // SAFETY: the caller holds the block, until it frees it.
    unsafe {
        let checked = record.check(found_by).inspect_err(report);
        if !record.lazy {
            redzone::write_freed(start.as_ptr(), record.len + record.redzone);
        }
        checked
    }
}

/// Keeps the stack of a block's allocation, if none is kept yet. Returns what is kept; `None` if there is
/// no such block.
#[cfg(feature = "napi")]
pub(crate) fn note_allocation(start: NonNull<u8>, stack: String) -> Option<String> {
    let mut records = lock();
    let record = records.blocks.get_mut(&start.as_ptr().addr())?;
    Some(record.stack.get_or_insert_with(|| stack.into()).to_string())
}

/// Checks every block.
#[cfg(feature = "napi")]
pub(crate) fn check_all(found_by: &'static str) {
    let damaged: Vec<Corruption> = {
        let records = lock();
        // SAFETY: the records are in the map.
        records.blocks.values().filter_map(|record| unsafe { record.check(found_by) }.err()).collect()
    };
    for corruption in damaged {
        report(&corruption);
        super::count_untold(Err(corruption));
    }
}

/// Every block of which `choose` wants the address, in the order in which they came.
#[cfg(feature = "napi")]
pub(crate) fn live_blocks(choose: impl Fn(usize) -> bool) -> Vec<Live> {
    let records = lock();
    let mut chosen: Vec<_> = records.blocks.iter().filter(|(address, _)| choose(**address)).collect();
    chosen.sort_unstable_by_key(|(_, record)| record.number);
    chosen
        .into_iter()
        .map(|(address, record)| Live { address: *address, len: record.len, stack: record.stack.clone() })
        .collect()
}
