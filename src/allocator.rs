//! The C allocator: the only file that calls `malloc`, `calloc`, `posix_memalign`, `realloc`
//! and `free`.
//!
//! Rust's own allocator is not used for blocks, whatever it may be in a given program: C code must
//! be able to `free` them.

use std::ptr::NonNull;

use libc::c_void;

use crate::fault;

/// `malloc(len)`; `None` for NULL and for a `len` that no Rust object can have.
pub(crate) fn malloc(len: usize) -> Option<NonNull<u8>> {
    if len == 0 || len > isize::MAX as usize || fault::strikes() {
        return None;
    }
    // SAFETY: `malloc` has no precondition.
    NonNull::new(unsafe { libc::malloc(len) }.cast())
}

/// `calloc(len, 1)`; `None` as in [`malloc`].
pub(crate) fn calloc(len: usize) -> Option<NonNull<u8>> {
    if len == 0 || len > isize::MAX as usize || fault::strikes() {
        return None;
    }
    // SAFETY: `calloc` has no precondition.
    NonNull::new(unsafe { libc::calloc(len, 1) }.cast())
}

/// `posix_memalign(align, len)`, which `realloc` and `free` take too; `None` as in [`malloc`].
///
/// `align` must be a power of two, and a multiple of a pointer's size.
#[cfg(unix)]
pub(crate) fn aligned(align: usize, len: usize) -> Option<NonNull<u8>> {
    if len == 0 || len > isize::MAX as usize || fault::strikes() {
        return None;
    }
    let mut block = std::ptr::null_mut();
    // SAFETY: `block` is a place to write to, and nothing is written on a failure.
    unsafe { libc::posix_memalign(&raw mut block, align, len) };
    NonNull::new(block.cast())
}

/// `malloc(len)` aligns as far as can be asked for: there is nothing that `free` takes and aligns to more.
#[cfg(not(unix))]
pub(crate) fn aligned(_align: usize, len: usize) -> Option<NonNull<u8>> {
    malloc(len)
}

/// `realloc(block, len)`; `None` as in [`malloc`], the old block then being untouched and still valid.
///
/// # Safety
///
/// `block` must be live memory of the C allocator, of which the caller is the owner. After `Some`
/// the old address must not be used.
pub(crate) unsafe fn realloc(block: NonNull<u8>, len: usize) -> Option<NonNull<u8>> {
    if len == 0 || len > isize::MAX as usize || fault::strikes() {
        return None;
    }
    // SAFETY: the caller owns `block`, which the C allocator made; `len` is not 0, so that this is
    // never the `realloc(p, 0)` that frees on some platforms.
    NonNull::new(unsafe { libc::realloc(block.as_ptr().cast::<c_void>(), len) }.cast())
}

/// `free(block)`.
///
/// # Safety
///
/// As for [`realloc`]; `block` must not be used afterwards.
pub(crate) unsafe fn free(block: NonNull<u8>) {
    // SAFETY: the caller owns `block`, which the C allocator made, and gives it up here.
    unsafe { libc::free(block.as_ptr().cast::<c_void>()) }
}
