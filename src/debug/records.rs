//! The records of blocks that the debug mode keeps.
//!
//! A record is removed before the allocator can give the block's address to another block, and added only once the
//! block is there. So each address has at most one record, and a record always means a live block.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::redzone;
use super::report::{Corruption, Details, count_untold, report};
use super::switch::is_enabled;

/// How many bytes after each block nobody may write to.
const REDZONE: usize = 64;

/// Where a block starts: its owner's pointer, not only a number, as the redzone is reached through it.
struct Start(NonNull<u8>);

// SAFETY: blocks may be used in any thread. The pointer is used only for a live block: while `RECORDS` is locked and
// the record is in it, or by the block's owner.
unsafe impl Send for Start {}

/// What is known about a block.
pub(crate) struct Record {
    start: Start,
    len: usize,
    /// The length of the redzone. It is 0 if the block was consumed and could not be resized to have room for one.
    redzone: usize,
    /// Whether pages of the block may never have been used. Such a block is not poisoned, which would make it resident.
    lazy: bool,
    /// Blocks are numbered in the order in which they were made.
    #[cfg_attr(not(feature = "napi"), expect(dead_code, reason = "only the binding lists blocks"))]
    number: u64,
    stack: Option<Box<str>>,
}

/// A live block.
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

/// Whoever holds this lock takes no other, and calls nothing that takes this one.
fn lock() -> MutexGuard<'static, Records> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    /// # Safety
    ///
    /// The record must be in the map, which is locked, or the caller must own its block.
    unsafe fn write_redzone(&self) {
        // SAFETY: the block is alive, and a redzone of this length follows its `len` bytes.
        unsafe { redzone::write(self.start.0.as_ptr().add(self.len), self.redzone) }
    }

    /// Checks the redzone, and repairs it, so that damage is found once.
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
        let &Self { len, redzone, ref stack, .. } = self;
        let address = self.start.0.as_ptr().addr();
        Err(Corruption(Box::new(Details { address, len, redzone, damage, found_by, stack: stack.clone() })))
    }
}

/// How long the redzone of a new block is: 0 unless the debug mode is on.
#[inline]
pub(crate) fn redzone_len() -> usize {
    if is_enabled() { REDZONE } else { 0 }
}

/// Adds the record of a new block.
///
/// # Safety
///
/// The caller must own a live block of `len + redzone` bytes, and remove the record before the block is freed or moved.
#[cold]
pub(crate) unsafe fn admit(start: NonNull<u8>, len: usize, redzone: usize, lazy: bool) {
    let mut records = lock();
    records.count += 1;
    let record = Record { start: Start(start), len, redzone, lazy, number: records.count, stack: None };
    // SAFETY: the caller owns the block.
    unsafe { record.write_redzone() };
    records.blocks.insert(start.as_ptr().addr(), record);
}

/// Fills bytes that nobody has written to yet, so that nobody takes them for zeros.
///
/// # Safety
///
/// `start` must be valid for writes of `len` bytes.
#[cold]
pub(crate) unsafe fn paint(start: *mut u8, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe { redzone::write_uninit(start, len) }
}

/// Checks the block at an address. Damage is reported, and found once.
#[cold]
pub(crate) fn check(start: NonNull<u8>, found_by: &'static str) -> Result<(), Corruption> {
    let checked = match lock().blocks.get(&start.as_ptr().addr()) {
        // SAFETY: the record is in the map, which is locked.
        Some(record) => unsafe { record.check(found_by) },
        None => Ok(()),
    };
    checked.inspect_err(report)
}

/// Checks a block, and removes its record because the block may move.
#[cold]
pub(crate) fn suspend(start: NonNull<u8>, found_by: &'static str) -> Option<Record> {
    let record = lock().blocks.remove(&start.as_ptr().addr())?;
    // SAFETY: the caller owns the block.
    count_untold(unsafe { record.check(found_by) }.inspect_err(report));
    Some(record)
}

/// Puts back the record of a block that was resized. If that succeeded, `resized`, the block has a redzone now.
/// Otherwise it has one if it had one before.
///
/// # Safety
///
/// As for [`admit`]. If `resized` is true, the block must have room for a redzone of [`redzone_len`].
#[cold]
pub(crate) unsafe fn resume(record: Option<Record>, start: NonNull<u8>, len: usize, resized: bool) {
    let Some(mut record) = record else { return };
    record.start = Start(start);
    record.len = len;
    if resized {
        record.redzone = redzone_len();
    }
    // SAFETY: the caller owns the block.
    unsafe { record.write_redzone() };
    lock().blocks.insert(start.as_ptr().addr(), record);
}

/// Notes that a block is shorter now, and has not moved.
#[cfg(feature = "napi")]
#[cold]
pub(crate) fn shorten(start: NonNull<u8>, len: usize) {
    if let Some(record) = lock().blocks.get_mut(&start.as_ptr().addr()) {
        debug_assert!(len <= record.len);
        record.len = len;
        // SAFETY: the record is in the map, which is locked. The block was longer, so it has room for the redzone.
        unsafe { record.write_redzone() };
    }
}

/// Checks a block that is given away, and removes its record.
#[cold]
pub(crate) fn release(start: NonNull<u8>, found_by: &'static str) {
    drop(suspend(start, found_by));
}

/// Checks a block that is about to be freed, removes its record, and fills its memory with a pattern.
#[cold]
pub(crate) fn retire(start: NonNull<u8>, found_by: &'static str) -> Result<(), Corruption> {
    // A block without a record is not written to, as it may not be resident.
    let Some(record) = lock().blocks.remove(&start.as_ptr().addr()) else { return Ok(()) };
    // SAFETY: the caller owns the block, which is not freed yet.
    unsafe {
        let checked = record.check(found_by).inspect_err(report);
        if !record.lazy {
            redzone::write_freed(start.as_ptr(), record.len + record.redzone);
        }
        checked
    }
}

/// Keeps the stack of a block's allocation, if none is kept yet. Returns the one that is kept; `None` if there is no
/// such block.
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
        // SAFETY: the records are in the map, which is locked.
        records.blocks.values().filter_map(|record| unsafe { record.check(found_by) }.err()).collect()
    };
    for corruption in damaged {
        report(&corruption);
        count_untold(Err(corruption));
    }
}

/// The blocks whose addresses `choose` accepts, in the order in which they were made.
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
