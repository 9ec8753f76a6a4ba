//! Whole pages that are locked in memory and left out of core dumps.

use std::io;
use std::ptr::NonNull;

use crate::budget::mappings;
use crate::error::OutOfMemory;
use crate::length::BlockLen;
use crate::{os, placement};

/// Memory of the C allocator of which `len` bytes have their pages for themselves, and are protected. There is room for
/// `room` bytes at least, from a multiple of `alignment` on. `requested` is the length of the block that it is for.
pub(super) fn obtain(
    len: usize,
    room: BlockLen,
    alignment: usize,
    requested: usize,
) -> Result<NonNull<u8>, OutOfMemory> {
    let whole = whole_pages(len);
    let room = room.plus(whole.saturating_sub(room.get())).map_err(|_| OutOfMemory::Allocator { requested })?;
    mappings::charge(requested)?;
    let Some(start) = placement::aligned(alignment.max(os::page_size()), room) else {
        mappings::refund();
        return Err(OutOfMemory::Allocator { requested });
    };
    // SAFETY: the memory was just made, with pages of its own. Nobody has written a secret into it yet.
    unsafe {
        protect(start, whole).map_err(|error| {
            give_back(start, len);
            refused(requested, &error)
        })?;
    }
    Ok(start)
}

/// Frees what [`obtain`] returned.
///
/// # Safety
///
/// It must be wiped, and the caller must own it. Nobody may use it afterwards. `len` is that of the block, which may be
/// shorter by now.
pub(super) unsafe fn give_back(start: NonNull<u8>, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        give_away(start, len);
        placement::free(start, len);
    }
}

/// Ends the protection of what [`obtain`] returned: it is an ordinary block of C then.
///
/// # Safety
///
/// As for [`give_back`].
pub(super) unsafe fn give_away(start: NonNull<u8>, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe { expose(start, 0, len) };
    mappings::refund();
}

/// Unlocks the pages after the first `kept` bytes, and no longer hides them.
///
/// # Safety
///
/// As for [`give_back`]. `kept` must be at most `len`.
pub(super) unsafe fn expose(start: NonNull<u8>, kept: usize, len: usize) {
    let (kept, len) = (whole_pages(kept), whole_pages(len));
    // SAFETY: the block has its pages for itself.
    unsafe {
        let first = start.as_ptr().add(kept);
        os::unlock(first, len - kept);
        os::show_in_dumps(first, len - kept);
    }
}

/// Leaves pages out of core dumps, and locks each of them from its first use on.
///
/// # Safety
///
/// The caller must have these whole pages for itself.
unsafe fn protect(start: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: passed on from the caller.
    unsafe {
        os::hide_from_dumps(start.as_ptr(), len)?;
        os::lock(start.as_ptr(), len)
    }
}

pub(super) fn whole_pages(len: usize) -> usize {
    len.next_multiple_of(os::page_size())
}

/// The system answers `ENOMEM` for two reasons.
fn refused(requested: usize, error: &io::Error) -> OutOfMemory {
    let reason = error.kind();
    if reason == io::ErrorKind::OutOfMemory
        && let Err(refusal) = mappings::check(requested)
    {
        return refusal;
    }
    OutOfMemory::Lock { requested, limit: os::lock_limit(), reason }
}
