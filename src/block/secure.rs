//! Secure blocks: their pages are locked in memory and left out of core dumps, and their bytes are wiped.
//!
//! A secure block has whole pages, which it shares with nothing: see
//! [`Attributes::room`](super::attributes::Attributes::room).

use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use zeroize::Zeroize;

use crate::error::OutOfMemory;
use crate::os;
use crate::residency::for_each_resident;

/// Leaves a new block out of core dumps.
///
/// # Safety
///
/// As for [`wipe`].
pub(super) unsafe fn hide(start: NonNull<u8>, len: usize) -> Result<(), OutOfMemory> {
    // SAFETY: the block has its pages for itself.
    unsafe { os::hide_from_dumps(start.as_ptr(), whole_pages(len)) }.map_err(|error| refused(len, &error))
}

/// Locks a new block's pages in memory, each one from its first use on.
///
/// # Safety
///
/// As for [`wipe`].
pub(super) unsafe fn lock(start: NonNull<u8>, len: usize) -> Result<(), OutOfMemory> {
    // SAFETY: the block has its pages for itself.
    unsafe { os::lock(start.as_ptr(), whole_pages(len)) }.map_err(|error| refused(len, &error))
}

/// Unlocks the pages after the first `kept` bytes, and no longer hides them.
///
/// # Safety
///
/// As for [`wipe`]. `kept` must be at most `len`.
pub(super) unsafe fn expose(start: NonNull<u8>, kept: usize, len: usize) {
    let (kept, len) = (whole_pages(kept), whole_pages(len));
    // SAFETY: the block has its pages for itself.
    unsafe {
        let first = start.as_ptr().add(kept);
        os::unlock(first, len - kept);
        os::show_in_dumps(first, len - kept);
    }
}

/// Zeroes bytes of a block in a way that the compiler does not remove. Pages that are not resident are skipped: what
/// was written to is locked and so resident, but a block that was refused half-way has pages that were never used.
///
/// # Safety
///
/// `start` must be the first of `len` bytes of a secure block, and nobody else may access them.
pub(crate) unsafe fn wipe(start: NonNull<u8>, len: usize) {
    let zeroize = |start: *mut u8, len: usize| {
        // SAFETY: these bytes are some of the caller's, and they may be uninitialised.
        unsafe { slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), len) }.zeroize();
    };
    // SAFETY: passed on from the caller.
    if unsafe { for_each_resident(start.as_ptr(), len, zeroize) }.is_err() {
        zeroize(start.as_ptr(), len);
    }
}

fn whole_pages(len: usize) -> usize {
    len.next_multiple_of(os::page_size())
}

fn refused(requested: usize, error: &io::Error) -> OutOfMemory {
    OutOfMemory::Lock { requested, limit: os::lock_limit(), reason: error.kind() }
}
