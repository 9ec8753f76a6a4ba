//! What can be done with the bytes of a lazy block without touching pages that are not resident.

use std::ptr::NonNull;

use crate::os;
use crate::residency::for_each_resident;

/// Gives the pages that lie wholly in these bytes back to the system. Returns whether that succeeded. The pages usually
/// hold zeros then; see [`zero`] for when they do not.
///
/// # Safety
///
/// The bytes must belong to a live block, and nobody else may access them.
pub(super) unsafe fn discard(start: NonNull<u8>, len: usize) -> bool {
    let page = os::page_size();
    let first = start.addr().get().next_multiple_of(page) - start.addr().get();
    let end = (start.addr().get() + len) / page * page;
    let len = end.saturating_sub(start.addr().get() + first);
    // SAFETY: nobody but the caller accesses these pages.
    len == 0 || unsafe { os::discard(start.as_ptr().add(first), len) }
}

/// Zeroes bytes. Their pages are given back to the system: they take no memory then, and are zero when they are used
/// again. Zeros are written where that is not enough: at both ends, and to pages that are still resident afterwards,
/// because the allocator has them in memory that it shares.
///
/// # Safety
///
/// As for [`discard`].
pub(super) unsafe fn zero(start: NonNull<u8>, len: usize) {
    let zero = |from: *mut u8, len: usize| {
        // SAFETY: these bytes are some of the caller's.
        unsafe { from.write_bytes(0, len) };
    };
    let end = os::page_size().min(len);
    // SAFETY: passed on from the caller. Both ends lie in the bytes.
    unsafe {
        if !discard(start, len) || for_each_resident(start.as_ptr(), len, zero).is_err() {
            start.write_bytes(0, len);
        }
        // Pages at the ends may hold other data too, so they were not given back. And they may be swapped out, which
        // does not count as resident.
        start.write_bytes(0, end);
        start.add(len - end).write_bytes(0, end);
    }
}

/// Copies bytes to a place that holds zeros. Stretches of zeros are not copied, so that their copies stay untouched.
///
/// # Safety
///
/// Both must be live blocks of at least `len` bytes. They must not be the same block, and nobody else may access them.
/// `to` must hold zeros.
pub(super) unsafe fn copy_to_zeros(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    const STRETCH: usize = 4096;
    static ZEROS: [u8; STRETCH] = [0; STRETCH];
    for offset in (0..len).step_by(STRETCH) {
        let part = STRETCH.min(len - offset);
        // SAFETY: the part lies in both blocks. `from` may be uninitialised, so C's `memcmp` looks at it, not Rust.
        unsafe {
            let (from, to) = (from.add(offset), to.add(offset));
            if libc::memcmp(from.as_ptr().cast(), ZEROS.as_ptr().cast(), part) != 0 {
                to.copy_from_nonoverlapping(from, part);
            }
        }
    }
}
