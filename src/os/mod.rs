//! What only the operating system can do.
//!
//! Each system has a module with everything that [`unsupported`] lists. It imports from there what the system cannot
//! do.

#[cfg(feature = "napi")]
mod address;
#[cfg(all(any(target_os = "linux", target_os = "freebsd"), not(miri)))]
mod lock;
mod mappings;
#[cfg(mocked_pages)]
mod mocked;
#[cfg(all(unix, not(miri)))]
mod unix;
mod unsupported;

#[cfg(all(target_os = "linux", not(miri)))]
#[path = "linux/mod.rs"]
mod platform;

#[cfg(all(target_os = "macos", not(miri)))]
#[path = "macos.rs"]
mod platform;

#[cfg(all(target_os = "freebsd", not(miri)))]
#[path = "freebsd.rs"]
mod platform;

#[cfg(all(windows, not(miri)))]
#[path = "windows.rs"]
mod platform;

/// Every other system, and Miri, which interprets Rust and has neither page tables nor `/proc`.
#[cfg(any(miri, not(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))))]
mod platform {
    #[cfg(all(unix, not(miri)))]
    pub(crate) use super::unix::page_size;
    #[cfg(all(unix, not(miri), feature = "napi"))]
    pub(crate) use super::unix::{FileDescriptor, is_standard_stream, symbol};
    pub(crate) use super::unsupported::*;

    /// Miri has no core dumps and no swap.
    #[cfg(miri)]
    pub(crate) unsafe fn hide_from_dumps(_start: *mut u8, _len: usize) -> std::io::Result<()> {
        Ok(())
    }

    /// Likewise. So Miri sees what is done with secure blocks.
    #[cfg(miri)]
    pub(crate) unsafe fn lock(_start: *mut u8, _len: usize) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "napi")]
use std::ffi::{CStr, c_void};
use std::io;
#[cfg(feature = "napi")]
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "napi")]
pub(crate) use self::address::InvalidAddress;
pub(crate) use self::mappings::Mappings;
pub(crate) use self::platform::{
    BRINGS_MANY, available_memory, lock_limit, mappings, show_in_dumps, trim, unlock, usable_size,
};
#[cfg(feature = "napi")]
pub(crate) use self::platform::{FileDescriptor, is_standard_stream, stay_loaded, validate_address};
use crate::fault;

/// A function that the process exports under this name. Node exports those of libuv.
#[cfg(feature = "napi")]
pub(crate) fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    if fault::strikes() { None } else { platform::symbol(name) }
}

/// Makes whole pages resident in one call. `false` if that cannot be done; some pages may then be resident.
///
/// # Safety
///
/// `start` must be page-aligned, and the caller must own the `len` bytes.
pub(crate) unsafe fn populate(start: *mut u8, len: usize) -> bool {
    // SAFETY: passed on from the caller.
    !fault::strikes() && unsafe { platform::populate(start, len) }
}

/// The size of a huge page in bytes, a power of two; `None` if there are no huge pages.
pub(crate) fn huge_page_size() -> Option<usize> {
    if fault::strikes() { None } else { platform::huge_page_size() }
}

/// Asks for huge pages wherever one fits into these pages, or for none. That concerns pages which are not resident yet.
/// The system need not comply.
///
/// # Safety
///
/// `start` must be page-aligned. Nobody's contents change.
pub(crate) unsafe fn advise_huge(start: *mut u8, len: usize, wanted: bool) {
    if !fault::strikes() {
        // SAFETY: passed on from the caller.
        unsafe { platform::advise_huge(start, len, wanted) };
    }
}

/// Gives whole pages back to the system. They are zero when they are used again. `false` if that cannot be done.
///
/// # Safety
///
/// `start` must be page-aligned, and the caller must own the `len` bytes.
pub(crate) unsafe fn discard(start: *mut u8, len: usize) -> bool {
    // SAFETY: passed on from the caller.
    !fault::strikes() && unsafe { platform::discard(start, len) }
}

/// Leaves whole pages out of core dumps.
///
/// # Safety
///
/// As for [`discard`].
pub(crate) unsafe fn hide_from_dumps(start: *mut u8, len: usize) -> io::Result<()> {
    fail_if_injected(libc::ENOMEM)?;
    // SAFETY: passed on from the caller.
    unsafe { platform::hide_from_dumps(start, len) }
}

/// Keeps each of these whole pages resident from its first use on.
///
/// # Safety
///
/// As for [`discard`].
pub(crate) unsafe fn lock(start: *mut u8, len: usize) -> io::Result<()> {
    fail_if_injected(libc::ENOMEM)?;
    // SAFETY: passed on from the caller.
    unsafe { platform::lock(start, len) }
}

/// Which of the pages from `start` on are resident.
///
/// # Safety
///
/// `start` must be page-aligned, and each of the `states.len()` pages must be mapped.
pub(crate) unsafe fn resident_pages(start: *const u8, states: &mut [bool]) -> io::Result<()> {
    #[cfg(mocked_pages)]
    use mocked as platform;
    fail_if_injected(libc::EAGAIN)?;
    // SAFETY: passed on from the caller.
    unsafe { platform::resident_pages(start, states) }
}

/// In tests of failing calls, fails with this error.
fn fail_if_injected(errno: i32) -> io::Result<()> {
    if fault::strikes() { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
}

/// The size of a page of memory in bytes. The system is asked once.
///
/// # Examples
///
/// ```
/// assert!(cmalloc::page_size().is_power_of_two());
/// ```
#[inline]
#[must_use]
pub fn page_size() -> usize {
    #[cfg(mocked_pages)]
    use mocked as platform;
    static PAGE_SIZE: AtomicUsize = AtomicUsize::new(0);
    match PAGE_SIZE.load(Ordering::Relaxed) {
        0 => {
            let size = platform::page_size();
            PAGE_SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}
