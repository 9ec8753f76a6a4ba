//! Systems about which little is known: memory is touched by writing to it, and only the allocator
//! and the set limit refuse.

use std::io;
use std::ptr::NonNull;

pub(crate) use super::no_lock::{hide_from_dumps, lock, lock_limit, show_in_dumps, unlock};
pub(crate) use super::one_by_one::{BRINGS_MANY, advise_huge, discard, huge_page_size, populate};
#[cfg(all(unix, not(miri)))]
pub(crate) use super::unix::page_size;
#[cfg(all(unix, not(miri), feature = "napi"))]
pub(crate) use super::unix::{is_standard_stream, symbol};

/// A page size that is right or too small: touching more often than needed does no harm.
#[cfg(any(miri, not(unix)))]
pub(crate) fn page_size() -> usize {
    4096
}

/// Unknown.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn resident_pages(_start: *const u8, _states: &mut [bool]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Unknown.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn usable_size(_block: NonNull<u8>) -> Option<usize> {
    None
}

/// Unknown.
pub(crate) fn available_memory() -> Option<u64> {
    None
}

/// Unknown.
#[cfg(feature = "napi")]
pub(crate) fn doubt(_address: usize) -> Option<crate::os::Doubt> {
    None
}

/// Unknown.
#[cfg(all(any(miri, not(unix)), feature = "napi"))]
pub(crate) fn symbol(_name: &std::ffi::CStr) -> Option<NonNull<std::ffi::c_void>> {
    None
}

/// Unknown.
#[cfg(all(any(miri, not(unix)), feature = "napi"))]
pub(crate) fn is_standard_stream(_descriptor: crate::os::FileDescriptor) -> bool {
    false
}
