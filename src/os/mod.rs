//! What only the operating system can do. The one place that asks which system it is.
//!
//! Every platform module offers the same five functions:
//!
//! - `page_size()`;
//! - `populate(start, len)`: makes whole pages resident in one call, or says that it cannot;
//! - `resident_pages(start, states)`: which of the pages from `start` on are resident;
//! - `usable_size(block)`: how much a block of the C allocator holds;
//! - `available_memory()`: how much more can be made resident.

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

use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use platform::{available_memory, populate, resident_pages, usable_size};

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
