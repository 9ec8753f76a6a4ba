//! Systems on which memory cannot be kept from being swapped and dumped by pages, or not that we know.

use std::io;

/// It cannot be done.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn hide_from_dumps(_start: *mut u8, _len: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is nothing to undo.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn show_in_dumps(_start: *mut u8, _len: usize) {}

/// It cannot be done.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn lock(_start: *mut u8, _len: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is nothing to undo.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn unlock(_start: *mut u8, _len: usize) {}

/// There is none, as nothing can be locked.
pub(crate) fn lock_limit() -> Option<u64> {
    None
}
