//! macOS.

use std::mem;
use std::ptr::NonNull;

pub(crate) use super::no_lock::{hide_from_dumps, lock, lock_limit, show_in_dumps, unlock};
pub(crate) use super::one_by_one::{BRINGS_MANY, advise_huge, discard, huge_page_size, populate};
#[cfg(feature = "napi")]
pub(crate) use super::unix::{is_standard_stream, symbol};
pub(crate) use super::unix::{page_size, resident_pages};

/// What a block of the C allocator holds.
///
/// # Safety
///
/// `block` must be a live block of the C allocator.
pub(crate) unsafe fn usable_size(block: NonNull<u8>) -> Option<usize> {
    // SAFETY: passed on from the caller.
    Some(unsafe { libc::malloc_size(block.as_ptr().cast()) })
}

/// Free, inactive and purgeable pages; speculative ones are counted as free by the kernel.
pub(crate) fn available_memory() -> Option<u64> {
    let mut count = libc::HOST_VM_INFO64_COUNT;
    // SAFETY: the structure holds integers only, for which zero is a value.
    let mut statistics: libc::vm_statistics64 = unsafe { mem::zeroed() };
    #[expect(deprecated, reason = "the libc crate points to another crate for one function")]
    // SAFETY: the call has no precondition; the port is the task's own.
    let host = unsafe { libc::mach_host_self() };
    // SAFETY: the structure has room for `count` integers, as its constant says.
    let answer =
        unsafe { libc::host_statistics64(host, libc::HOST_VM_INFO64, (&raw mut statistics).cast(), &raw mut count) };
    if answer != libc::KERN_SUCCESS {
        return None;
    }
    let pages =
        u64::from(statistics.free_count) + u64::from(statistics.inactive_count) + u64::from(statistics.purgeable_count);
    Some(pages * page_size() as u64)
}

/// Unknown.
#[cfg(feature = "napi")]
pub(crate) fn doubt(_address: usize) -> Option<crate::os::Doubt> {
    None
}
