//! What a secure block's pages are spared, and what its bytes are: swapping, dumping, outliving it.
//!
//! The pages that are locked and hidden are those that the block's bytes lie in. They are whole, and nobody else's:
//! see [`Attributes::room`](super::attributes::Attributes::room).

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
    // SAFETY: the pages are the block's alone.
    unsafe { os::hide_from_dumps(start.as_ptr(), whole_pages(len)) }.map_err(|error| refused(len, &error))
}

/// Locks a new block's pages in memory, each from the moment in which it comes.
///
/// # Safety
///
/// As for [`wipe`].
pub(super) unsafe fn lock(start: NonNull<u8>, len: usize) -> Result<(), OutOfMemory> {
    // SAFETY: the pages are the block's alone.
    unsafe { os::lock(start.as_ptr(), whole_pages(len)) }.map_err(|error| refused(len, &error))
}

/// Makes the pages behind the first `kept` bytes what any others are. Those bytes are none of the block's any more.
///
/// # Safety
///
/// As for [`wipe`]; `kept` must be at most `len`.
pub(super) unsafe fn expose(start: NonNull<u8>, kept: usize, len: usize) {
    let (kept, len) = (whole_pages(kept), whole_pages(len));
    // SAFETY: the pages are the block's alone.
    unsafe {
        let first = start.as_ptr().add(kept);
        os::unlock(first, len - kept);
        os::show_in_dumps(first, len - kept);
    }
}

/// Zeroes bytes of a block, also if nobody looks at them any more before they are freed. Pages that never came are left
/// alone, as in a block that was refused half-way: what was written to is locked, and so resident.
///
/// # Safety
///
/// `start` must be the first of `len` bytes of a secure block, and nobody else may access these.
pub(crate) unsafe fn wipe(start: NonNull<u8>, len: usize) {
    let zeroize = |start: *mut u8, len: usize| {
        // SAFETY: these are some of the caller's bytes; they may be uninitialised.
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
