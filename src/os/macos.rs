//! macOS.

use std::mem;
use std::ptr::NonNull;

#[cfg(feature = "napi")]
pub(crate) use super::unix::{FileDescriptor, is_standard_stream, symbol};
pub(crate) use super::unix::{page_size, resident_pages};
pub(crate) use super::unsupported::{
    BRINGS_MANY, advise_huge, discard, hide_from_dumps, huge_page_size, lock, lock_limit, mappings, populate,
    show_in_dumps, trim, unlock,
};
#[cfg(feature = "napi")]
pub(crate) use super::unsupported::{stay_loaded, validate_address};

/// How many bytes a block of the C allocator holds.
///
/// # Safety
///
/// `block` must be a live block of the C allocator.
pub(crate) unsafe fn usable_size(block: NonNull<u8>) -> Option<usize> {
    // SAFETY: passed on from the caller.
    Some(unsafe { libc::malloc_size(block.as_ptr().cast()) })
}

/// Free, inactive and purgeable pages. The kernel counts speculative pages as free.
pub(crate) fn available_memory() -> Option<u64> {
    let mut count = libc::HOST_VM_INFO64_COUNT;
    // SAFETY: the structure holds integers only, for which zero is a value.
    let mut statistics: libc::vm_statistics64 = unsafe { mem::zeroed() };
    #[expect(deprecated, reason = "the libc crate points to another crate for one function")]
    // SAFETY: the call has no precondition; the port is the task's own.
    let host = unsafe { libc::mach_host_self() };
    // SAFETY: the structure has room for the `count` integers that the system's own constant gives it.
    let answer =
        unsafe { libc::host_statistics64(host, libc::HOST_VM_INFO64, (&raw mut statistics).cast(), &raw mut count) };
    if answer != libc::KERN_SUCCESS {
        return None;
    }
    let pages =
        u64::from(statistics.free_count) + u64::from(statistics.inactive_count) + u64::from(statistics.purgeable_count);
    Some(pages * page_size() as u64)
}
