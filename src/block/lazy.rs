//! What can be done with bytes of which nobody knows whether they were ever touched, without touching them.

use std::ptr::NonNull;

use crate::os;
use crate::residency::for_each_resident;

/// Gives the pages that lie wholly in these bytes back to the system. Returns whether that was so: then they hold
/// zeros; but see [`zero`].
///
/// # Safety
///
/// The bytes must be a live block's, and nobody else may access them.
pub(super) unsafe fn discard(start: NonNull<u8>, len: usize) -> bool {
    let page = os::page_size();
    let first = start.addr().get().next_multiple_of(page) - start.addr().get();
    let end = (start.addr().get() + len) / page * page;
    let len = end.saturating_sub(start.addr().get() + first);
    // SAFETY: the pages are the caller's alone.
    len == 0 || unsafe { os::discard(start.as_ptr().add(first), len) }
}

/// Zeroes bytes that may hold anything. Pages that are given back to the system are zero as they come again, and take no
/// memory until then; what is left of them is written to: the ends, and what an allocator has in memory that it shares.
///
/// # Safety
///
/// As for [`discard`].
pub(super) unsafe fn zero(start: NonNull<u8>, len: usize) {
    let zero = |from: *mut u8, len: usize| {
        // SAFETY: these are some of the caller's bytes.
        unsafe { from.write_bytes(0, len) };
    };
    let end = os::page_size().min(len);
    // SAFETY: passed on from the caller; both ends lie in the bytes.
    unsafe {
        if !discard(start, len) || for_each_resident(start.as_ptr(), len, zero).is_err() {
            start.write_bytes(0, len);
        }
        // The pages there are not the caller's alone: they were not given back, and could be swapped.
        start.write_bytes(0, end);
        start.add(len - end).write_bytes(0, end);
    }
}

/// Copies bytes to where zeros are, but for stretches of zeros, so that their copies need not come.
///
/// # Safety
///
/// Both must be live blocks of at least `len` bytes, two of them, and nobody else may access them. `to` must hold zeros.
pub(super) unsafe fn copy_to_zeros(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    const STRETCH: usize = 4096;
    static ZEROS: [u8; STRETCH] = [0; STRETCH];
    for offset in (0..len).step_by(STRETCH) {
        let part = STRETCH.min(len - offset);
        // SAFETY: the part lies in both blocks. What was never written to may be anything; C may look at it.
        unsafe {
            let (from, to) = (from.add(offset), to.add(offset));
            if libc::memcmp(from.as_ptr().cast(), ZEROS.as_ptr().cast(), part) != 0 {
                to.copy_from_nonoverlapping(from, part);
            }
        }
    }
}
