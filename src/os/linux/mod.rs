//! Linux, with glibc, musl or bionic.

mod cgroup;
#[cfg(feature = "napi")]
mod doubt;
mod huge;
mod meminfo;
mod trim;

use std::fs;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::fault;

#[cfg(feature = "napi")]
pub(crate) use self::doubt::doubt;
pub(crate) use self::huge::{advise_huge, huge_page_size};
pub(crate) use self::trim::trim;
pub(crate) use super::lock::{hide_from_dumps, lock, lock_limit, show_in_dumps, unlock};
#[cfg(feature = "napi")]
pub(crate) use super::unix::{is_standard_stream, symbol};
pub(crate) use super::unix::{page_size, resident_pages};

/// By huge pages, and on most kernels by `MADV_POPULATE_WRITE`.
pub(crate) const BRINGS_MANY: bool = true;

/// Since Linux 5.14; not everywhere.
const MADV_POPULATE_WRITE: libc::c_int = 23;

/// Populates whole pages for writing. `false` if the kernel did not: nothing is then certain.
///
/// No contents change, and no write that another thread makes meanwhile is lost.
///
/// # Safety
///
/// `start` must be page-aligned, and the `len` bytes a mapping of the caller's.
pub(crate) unsafe fn populate(start: *mut u8, len: usize) -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    if len == 0 || !*WORKS.get_or_init(populating_works) {
        return len == 0;
    }
    // SAFETY: populating changes no contents; `madvise` itself refuses what is not mapped.
    unsafe { libc::madvise(start.cast(), len, MADV_POPULATE_WRITE) == 0 }
}

/// Whether a page that is populated is resident then. Older kernels refuse the advice; emulators of processors, in
/// which containers for another one run, say that they took it and do nothing.
fn populating_works() -> bool {
    let (page, readable) = (page_size(), libc::PROT_READ | libc::PROT_WRITE);
    let fresh = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping takes the place of none.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), page, readable, fresh, -1, 0) };
    if memory == libc::MAP_FAILED {
        return false;
    }
    let mut states = [0u8; 1];
    // SAFETY: the page was mapped just now, for this function alone, and the kernel writes a byte for it.
    let works = unsafe {
        libc::madvise(memory, page, MADV_POPULATE_WRITE) == 0
            && libc::mincore(memory, page, states.as_mut_ptr().cast()) == 0
    };
    // SAFETY: as above; nothing refers to it any more.
    unsafe { libc::munmap(memory, page) };
    works && states[0] & 1 != 0
}

/// Gives whole pages back to the system. Those that only this process has are zero when they come again.
///
/// # Safety
///
/// `start` must be page-aligned, and the `len` bytes the caller's.
pub(crate) unsafe fn discard(start: *mut u8, len: usize) -> bool {
    // SAFETY: nobody needs what the pages hold; `madvise` itself refuses what is not mapped.
    unsafe { libc::madvise(start.cast(), len, libc::MADV_DONTNEED) == 0 }
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
