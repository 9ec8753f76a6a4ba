//! Zeros in the place of secrets, written in a way that the compiler does not remove.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use zeroize::Zeroize;

use crate::residency::for_each_resident;

/// Zeroes bytes of a block. Pages that are not resident are skipped: what was written to is locked and so resident, but a
/// block that was refused half-way has pages that were never used.
///
/// # Safety
///
/// `start` must be the first of `len` bytes of a secure block, and nobody else may access them.
pub(crate) unsafe fn wipe(start: NonNull<u8>, len: usize) {
    // SAFETY: these bytes are some of the caller's.
    let zeroize = |start: *mut u8, len: usize| unsafe { zero(start, len) };
    // SAFETY: passed on from the caller.
    if unsafe { for_each_resident(start.as_ptr(), len, zeroize) }.is_err() {
        zeroize(start.as_ptr(), len);
    }
}

/// Zeroes bytes.
///
/// # Safety
///
/// The `len` bytes from `start` on must be the caller's, and nobody else may access them. They may be uninitialised.
pub(super) unsafe fn zero(start: *mut u8, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe { slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), len) }.zeroize();
}
