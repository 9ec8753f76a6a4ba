//! Linux, with glibc, musl or bionic.

mod cgroup;
mod files;
mod huge;
mod mappings;
mod meminfo;
mod trim;
#[cfg(feature = "napi")]
mod validate_address;

use std::sync::OnceLock;

pub(crate) use self::huge::{advise_huge, huge_page_size};
pub(crate) use self::mappings::mappings;
pub(crate) use self::trim::trim;
#[cfg(feature = "napi")]
pub(crate) use self::validate_address::validate_address;
pub(crate) use super::lock::{hide_from_dumps, lock, lock_limit, show_in_dumps, unlock};
#[cfg(feature = "napi")]
pub(crate) use super::unix::{FileDescriptor, is_standard_stream, symbol};
pub(crate) use super::unix::{page_size, resident_pages, usable_size};
#[cfg(feature = "napi")]
pub(crate) use super::unsupported::stay_loaded;

/// Huge pages bring in many pages at once, and so does `MADV_POPULATE_WRITE` on most kernels.
pub(crate) const BRINGS_MANY: bool = true;

/// Since Linux 5.14. Some systems do not have it: see `populating_works`.
const MADV_POPULATE_WRITE: libc::c_int = 23;

/// Makes whole pages resident and writable. `false` if the kernel did not; some pages may then be resident.
///
/// No contents change, and no write that another thread makes meanwhile is lost.
///
/// # Safety
///
/// `start` must be page-aligned, and the caller must own the `len` bytes.
pub(crate) unsafe fn populate(start: *mut u8, len: usize) -> bool {
    if len == 0 || !populating_works() {
        return len == 0;
    }
    // SAFETY: populating changes no contents; `madvise` itself refuses what is not mapped.
    unsafe { libc::madvise(start.cast(), len, MADV_POPULATE_WRITE) == 0 }
}

/// Whether populating a page really makes it resident, which is tried out once. Older kernels refuse the call. Processor
/// emulators, which run containers for other processors, accept it and do nothing.
fn populating_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| try_populating().unwrap_or(false))
}

/// Populates a new page. It stays mapped, as to unmap it takes longer than all else here.
fn try_populating() -> Option<bool> {
    let (page, readable) = (page_size(), libc::PROT_READ | libc::PROT_WRITE);
    let fresh = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at an address that the kernel chooses, replaces no other.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), page, readable, fresh, -1, 0) };
    if memory == libc::MAP_FAILED {
        return None;
    }
    let mut states = [0u8; 1];
    // SAFETY: only this function uses the page that was just mapped. `mincore` writes one byte for it.
    let succeeded = unsafe {
        libc::madvise(memory, page, MADV_POPULATE_WRITE) == 0
            && libc::mincore(memory, page, states.as_mut_ptr().cast()) == 0
    };
    Some(succeeded && states[0] & 1 != 0)
}

/// Gives whole pages back to the system. Pages that no other process shares are zero when they are used again.
///
/// # Safety
///
/// `start` must be page-aligned, and the caller must own the `len` bytes.
pub(crate) unsafe fn discard(start: *mut u8, len: usize) -> bool {
    // SAFETY: the caller owns the bytes and gives up their contents. `madvise` itself refuses what is not mapped.
    unsafe { libc::madvise(start.cast(), len, libc::MADV_DONTNEED) == 0 }
}

/// How much can still be made resident: what the machine or one of the containers has left, whichever is least.
pub(crate) fn available_memory() -> Option<u64> {
    // Each process does this before its first block, which takes long anyway. What a large block must know is found out
    // along with it: otherwise the first large one would take some 100 µs longer.
    huge_page_size();
    populating_works();
    [meminfo::available(), cgroup::available()].into_iter().flatten().min()
}
