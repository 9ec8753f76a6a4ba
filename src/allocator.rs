//! The C allocator. Only this file calls `malloc`, `calloc`, `posix_memalign`, `realloc` and `free`.
//!
//! Blocks never come from Rust's own allocator, because C code must be able to `free` them.

use std::ptr::NonNull;

use libc::c_void;

use crate::fault;
use crate::length::BlockLen;

/// `malloc(len)`; `None` for NULL.
pub(crate) fn malloc(len: BlockLen) -> Option<NonNull<u8>> {
    // SAFETY: `malloc` has no precondition.
    call(|| unsafe { libc::malloc(len.get()) })
}

/// `calloc(len, 1)`; `None` for NULL.
pub(crate) fn calloc(len: BlockLen) -> Option<NonNull<u8>> {
    // SAFETY: `calloc` has no precondition.
    call(|| unsafe { libc::calloc(len.get(), 1) })
}

/// `posix_memalign(align, len)`; `None` if it fails. `realloc` and `free` take such blocks too.
///
/// `align` must be a power of two and a multiple of the size of a pointer.
#[cfg(unix)]
pub(crate) fn aligned(align: usize, len: BlockLen) -> Option<NonNull<u8>> {
    let mut block = std::ptr::null_mut();
    call(|| {
        // SAFETY: `block` is valid to write to. On a failure `posix_memalign` leaves it as it is, which is null.
        unsafe { libc::posix_memalign(&raw mut block, align, len.get()) };
        block
    })
}

/// `malloc(len)`. `free` takes no block here that is aligned to more, and [`Alignment`](crate::Alignment) has no more.
#[cfg(not(unix))]
pub(crate) fn aligned(_align: usize, len: BlockLen) -> Option<NonNull<u8>> {
    malloc(len)
}

/// `realloc(block, len)`; `None` for NULL. The old block is then unchanged and still valid.
///
/// # Safety
///
/// `block` must be a live block of the C allocator, and the caller must own it. After `Some` nobody may use the old
/// address.
pub(crate) unsafe fn realloc(block: NonNull<u8>, len: BlockLen) -> Option<NonNull<u8>> {
    // SAFETY: the caller owns `block`, which the C allocator made. `BlockLen` is never 0, so this is never
    // `realloc(block, 0)`, which frees the block on some platforms.
    call(|| unsafe { libc::realloc(block.as_ptr().cast(), len.get()) })
}

/// `free(block)`.
///
/// # Safety
///
/// As for [`realloc`]. Nobody may use `block` afterwards.
pub(crate) unsafe fn free(block: NonNull<u8>) {
    // SAFETY: the caller owns `block`, which the C allocator made, and gives it up here.
    unsafe { libc::free(block.as_ptr().cast()) }
}

/// Makes a call that returns NULL if it fails. Tests make it fail on purpose.
#[inline]
fn call(allocate: impl FnOnce() -> *mut c_void) -> Option<NonNull<u8>> {
    if fault::strikes() { None } else { NonNull::new(allocate().cast()) }
}
