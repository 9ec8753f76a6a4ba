//! FreeBSD.

use std::ffi::CStr;
use std::mem;
use std::ptr;

pub(crate) use super::lock::{hide_from_dumps, lock, lock_limit, show_in_dumps, unlock};
#[cfg(feature = "napi")]
pub(crate) use super::unix::{FileDescriptor, is_standard_stream, symbol};
pub(crate) use super::unix::{page_size, resident_pages, usable_size};
pub(crate) use super::unsupported::{BRINGS_MANY, advise_huge, discard, huge_page_size, mappings, populate, trim};
#[cfg(feature = "napi")]
pub(crate) use super::unsupported::{stay_loaded, validate_address};

/// Free and inactive pages.
pub(crate) fn available_memory() -> Option<u64> {
    let free = count(c"vm.stats.vm.v_free_count")?;
    let inactive = count(c"vm.stats.vm.v_inactive_count")?;
    Some((u64::from(free) + u64::from(inactive)) * page_size() as u64)
}

fn count(name: &CStr) -> Option<u32> {
    let mut value = 0u32;
    let mut size = mem::size_of::<u32>();
    // SAFETY: `value` has room for `size` bytes, and a null pointer of 0 bytes sets nothing.
    let answer = unsafe { libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut size, ptr::null(), 0) };
    (answer == 0 && size == mem::size_of::<u32>()).then_some(value)
}
