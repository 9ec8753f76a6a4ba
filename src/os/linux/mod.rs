//! Linux, with glibc, musl or bionic.

mod cgroup;
#[cfg(feature = "napi")]
mod doubt;
mod huge;
mod meminfo;

use std::fs;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fault;

#[cfg(feature = "napi")]
pub(crate) use self::doubt::doubt;
pub(crate) use self::huge::{advise_huge, huge_page_size};
pub(crate) use super::unix::{page_size, resident_pages};

/// By huge pages, and on most kernels by `MADV_POPULATE_WRITE`.
pub(crate) const BRINGS_MANY: bool = true;

/// Since Linux 5.14; older kernels answer `EINVAL`.
const MADV_POPULATE_WRITE: libc::c_int = 23;

/// Populates whole pages for writing. `false` if the kernel did not: nothing is then certain.
///
/// No contents change, and no write that another thread makes meanwhile is lost.
///
/// # Safety
///
/// `start` must be page-aligned, and the `len` bytes a mapping of the caller's.
pub(crate) unsafe fn populate(start: *mut u8, len: usize) -> bool {
    static UNSUPPORTED: AtomicBool = AtomicBool::new(false);
    if len == 0 || UNSUPPORTED.load(Ordering::Relaxed) {
        return len == 0;
    }
    // SAFETY: populating changes no contents; `madvise` itself refuses what is not mapped.
    if unsafe { libc::madvise(start.cast(), len, MADV_POPULATE_WRITE) } == 0 {
        return true;
    }
    if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        UNSUPPORTED.store(true, Ordering::Relaxed);
    }
    false
}

/// What a block of the C allocator holds, at least what was asked for it.
///
/// # Safety
///
/// `block` must be a live block of the C allocator.
pub(crate) unsafe fn usable_size(block: NonNull<u8>) -> Option<usize> {
    // SAFETY: passed on from the caller.
    Some(unsafe { libc::malloc_usable_size(block.as_ptr().cast()) })
}

/// The text of a file of the kernel's. Names in it, of mounts for one, need not be UTF-8.
fn read(file: impl AsRef<Path>) -> Option<String> {
    if fault::strikes() {
        return None;
    }
    Some(String::from_utf8_lossy(&fs::read(file).ok()?).into_owned())
}

/// What can still be made resident: the least of what the machine and each container has left.
pub(crate) fn available_memory() -> Option<u64> {
    [meminfo::available(), cgroup::available()].into_iter().flatten().min()
}
