//! What only the operating system can do. The one place that asks which system it is.
//!
//! Every platform module offers the same:
//!
//! - `BRINGS_MANY`: whether there is a way to bring many pages in at once, faster than one by one;
//! - `page_size()` and `huge_page_size()`, if there are huge pages that can be advised;
//! - `advise_huge(start, len, wanted)`: asks for huge pages where they fit, or for none;
//! - `populate(start, len)`: makes whole pages resident in one call, or says that it cannot;
//! - `resident_pages(start, states)`: which of the pages from `start` on are resident;
//! - `discard(start, len)`: gives whole pages back, which are zero when they come again, or says that it cannot;
//! - `hide_from_dumps(start, len)`, `lock(start, len)`, what undoes them, and `lock_limit()`;
//! - `usable_size(block)`: how much a block of the C allocator holds;
//! - `available_memory()`: how much more can be made resident;
//! - `doubt(address)`: why there can be no block of the C allocator at an address;
//! - `symbol(name)`: a function that the process exports; `is_standard_stream(descriptor)`.

#[cfg(all(any(target_os = "linux", target_os = "freebsd"), not(miri)))]
mod lock;
#[cfg(mocked_pages)]
mod mocked;
#[cfg(any(miri, not(any(target_os = "linux", target_os = "freebsd"))))]
mod no_lock;
#[cfg(any(miri, not(target_os = "linux")))]
mod one_by_one;
#[cfg(all(unix, not(miri)))]
mod unix;

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

// Miri interprets Rust, and has neither page tables nor /proc.
#[cfg(any(miri, not(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))))]
#[path = "other.rs"]
mod platform;

#[cfg(feature = "napi")]
use std::ffi::{CStr, c_void};
use std::io;
#[cfg(feature = "napi")]
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "napi")]
pub(crate) use platform::doubt;
pub(crate) use platform::{BRINGS_MANY, available_memory, lock_limit, show_in_dumps, unlock, usable_size};

use crate::fault;

/// Has the C allocator give freed memory back to the system, where it can be asked to.
pub(crate) fn trim() {
    #[cfg(all(target_os = "linux", not(miri)))]
    platform::trim();
}

/// Keeps this library loaded until the process ends, also when the last thread that uses it has ended: memory that was
/// handed on is given back by its code. On other systems it is linked so, or the loader never unloads it.
#[cfg(feature = "napi")]
pub(crate) fn stay_loaded() {
    #[cfg(all(windows, not(miri)))]
    platform::stay_loaded();
}

/// What names an open file: a number, or on Windows a handle.
#[cfg(all(feature = "napi", not(windows)))]
pub(crate) type FileDescriptor = std::ffi::c_int;
#[cfg(all(feature = "napi", windows))]
pub(crate) type FileDescriptor = usize;

/// A function that the process exports by this name, as Node does with libuv's.
#[cfg(feature = "napi")]
pub(crate) fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    if fault::strikes() { None } else { platform::symbol(name) }
}

/// Whether an open file is what the process began with as its standard input, output or error.
#[cfg(feature = "napi")]
pub(crate) fn is_standard_stream(descriptor: FileDescriptor) -> bool {
    platform::is_standard_stream(descriptor)
}

/// Why there can be no block of the C allocator at an address.
#[cfg(feature = "napi")]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux tells"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It is not mapped, to be read and written.
    NotWritable,
    /// The memory before it, where the allocator keeps its books, is not.
    NoHeader,
    /// The books would give the block a length that does not fit into what is mapped.
    Nonsense {
        /// That length.
        len: usize,
    },
}

/// Makes whole pages resident in one call; `false` if that cannot be done: nothing is then certain.
///
/// # Safety
///
/// `start` must be page-aligned, and the `len` bytes the caller's.
pub(crate) unsafe fn populate(start: *mut u8, len: usize) -> bool {
    // SAFETY: passed on from the caller.
    !fault::strikes() && unsafe { platform::populate(start, len) }
}

/// The size of a huge page in bytes, a power of two; `None` if there are none to be had.
pub(crate) fn huge_page_size() -> Option<usize> {
    if fault::strikes() { None } else { platform::huge_page_size() }
}

/// Asks for huge pages wherever one fits into these pages, or for none, as far as nothing is resident there yet. The
/// system need not comply.
///
/// # Safety
///
/// `start` must be page-aligned. No contents change, whosever they are.
pub(crate) unsafe fn advise_huge(start: *mut u8, len: usize, wanted: bool) {
    if !fault::strikes() {
        // SAFETY: passed on from the caller.
        unsafe { platform::advise_huge(start, len, wanted) };
    }
}

/// Gives whole pages back to the system; they are zero when they come again. `false` if that cannot be done.
///
/// # Safety
///
/// `start` must be page-aligned, and the `len` bytes the caller's.
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
    if fault::strikes() {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    // SAFETY: passed on from the caller.
    unsafe { platform::hide_from_dumps(start, len) }
}

/// Keeps whole pages resident, from the moment on in which each comes.
///
/// # Safety
///
/// As for [`discard`].
pub(crate) unsafe fn lock(start: *mut u8, len: usize) -> io::Result<()> {
    if fault::strikes() {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    // SAFETY: passed on from the caller.
    unsafe { platform::lock(start, len) }
}

/// Which of the pages from `start` on are resident.
///
/// # Safety
///
/// `start` must be page-aligned, and each of the `states.len()` pages mapped.
pub(crate) unsafe fn resident_pages(start: *const u8, states: &mut [bool]) -> io::Result<()> {
    if fault::strikes() {
        return Err(io::Error::from_raw_os_error(libc::EAGAIN));
    }
    #[cfg(mocked_pages)]
    // SAFETY: passed on from the caller.
    return unsafe { mocked::resident_pages(start, states) };
    #[cfg(not(mocked_pages))]
    // SAFETY: passed on from the caller.
    unsafe {
        platform::resident_pages(start, states)
    }
}

/// The size of a page of memory in bytes, asked of the system once.
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
    return mocked::page_size();
    #[cfg(not(mocked_pages))]
    real_page_size()
}

/// The size of a page as the system sees it, also in a build for tests that mocks others.
#[inline]
#[allow(dead_code, reason = "some systems have nothing to ask by pages")]
pub(crate) fn real_page_size() -> usize {
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
