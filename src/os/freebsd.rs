//! FreeBSD.

use std::ffi::CStr;
use std::mem;
use std::ptr::{self, NonNull};

pub(crate) use super::lock::{hide_from_dumps, lock, lock_limit, show_in_dumps, unlock};
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
    Some(unsafe { libc::malloc_usable_size(block.as_ptr().cast()) })
}

/// Free and inactive pages.
pub(crate) fn available_memory() -> Option<u64> {
    let free = count(c"vm.stats.vm.v_free_count")?;
    let inactive = count(c"vm.stats.vm.v_inactive_count")?;
    Some((u64::from(free) + u64::from(inactive)) * page_size() as u64)
}

fn count(name: &CStr) -> Option<u32> {
    let mut value = 0u32;
    let mut size = mem::size_of::<u32>();
    // SAFETY: `value` has room for the `size` bytes that are asked for, and nothing is set.
    let answer = unsafe { libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut size, ptr::null(), 0) };
    (answer == 0 && size == mem::size_of::<u32>()).then_some(value)
}

/// Unknown.
#[cfg(feature = "napi")]
pub(crate) fn doubt(_address: usize) -> Option<crate::os::Doubt> {
    None
}
