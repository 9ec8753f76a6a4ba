//! What a system answers if it cannot do something. A platform module takes from here what its system lacks.
//!
//! None of the unsafe functions here has a precondition.

#![allow(dead_code, reason = "each platform takes only what it lacks")]

#[cfg(feature = "napi")]
use std::ffi::{CStr, c_void};
use std::io;
use std::ptr::NonNull;

#[cfg(feature = "napi")]
use super::address::InvalidAddress;
use super::mappings::Mappings;

/// No call brings in many pages at once.
pub(crate) const BRINGS_MANY: bool = false;

/// What names an open file.
#[cfg(feature = "napi")]
pub(crate) type FileDescriptor = std::ffi::c_int;

/// A page size that is right or too small. Touching memory more often than needed does no harm.
pub(crate) fn page_size() -> usize {
    4096
}

/// There are no huge pages to ask for.
pub(crate) fn huge_page_size() -> Option<usize> {
    None
}

/// Does nothing.
pub(crate) unsafe fn advise_huge(_start: *mut u8, _len: usize, _wanted: bool) {}

/// No call makes a range resident.
pub(crate) unsafe fn populate(_start: *mut u8, _len: usize) -> bool {
    false
}

/// The system does not tell.
pub(crate) unsafe fn resident_pages(_start: *const u8, _states: &mut [bool]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No call gives pages back and promises zeros for later.
pub(crate) unsafe fn discard(_start: *mut u8, _len: usize) -> bool {
    false
}

/// Single pages cannot be left out of core dumps.
pub(crate) unsafe fn hide_from_dumps(_start: *mut u8, _len: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is nothing to undo.
pub(crate) unsafe fn show_in_dumps(_start: *mut u8, _len: usize) {}

/// Single pages cannot be locked.
pub(crate) unsafe fn lock(_start: *mut u8, _len: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is nothing to undo.
pub(crate) unsafe fn unlock(_start: *mut u8, _len: usize) {}

/// There is no limit, as nothing can be locked.
pub(crate) fn lock_limit() -> Option<u64> {
    None
}

/// There is no limit.
pub(crate) fn mappings() -> Option<Mappings> {
    None
}

/// The allocator does not tell.
pub(crate) unsafe fn usable_size(_block: NonNull<u8>) -> Option<usize> {
    None
}

/// The system does not tell. Then only the allocator and the set limit refuse.
pub(crate) fn available_memory() -> Option<u64> {
    None
}

/// The allocator cannot be asked.
pub(crate) fn trim() {}

/// Nothing is known against any address.
#[cfg(feature = "napi")]
pub(crate) fn validate_address(_address: usize) -> Result<(), InvalidAddress> {
    Ok(())
}

/// The system cannot look functions up.
#[cfg(feature = "napi")]
pub(crate) fn symbol(_name: &CStr) -> Option<NonNull<c_void>> {
    None
}

/// The system does not tell.
#[cfg(feature = "napi")]
pub(crate) fn is_standard_stream(_descriptor: FileDescriptor) -> bool {
    false
}

/// Nothing to do: the library is linked so that it stays, or the loader never unloads one.
#[cfg(feature = "napi")]
pub(crate) fn stay_loaded() {}
