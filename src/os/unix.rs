//! What Unix systems have in common.

#[cfg(any(feature = "napi", target_os = "linux"))]
use std::ffi::{CStr, c_void};
use std::io;
#[cfg(any(feature = "napi", target_os = "linux", target_os = "freebsd"))]
use std::ptr::NonNull;

/// What names an open file: a number.
#[cfg(feature = "napi")]
pub(crate) type FileDescriptor = std::ffi::c_int;

/// `sysconf(_SC_PAGESIZE)`.
pub(crate) fn page_size() -> usize {
    // SAFETY: `sysconf` has no precondition.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
}

/// How many bytes a block of the C allocator holds, at least what was asked for.
///
/// # Safety
///
/// `block` must be a live block of the C allocator.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
pub(crate) unsafe fn usable_size(block: NonNull<u8>) -> Option<usize> {
    // SAFETY: passed on from the caller.
    Some(unsafe { libc::malloc_usable_size(block.as_ptr().cast()) })
}

/// `mincore`: which of the pages from `start` on are resident.
///
/// # Safety
///
/// `start` must be page-aligned, and each of the `states.len()` pages mapped.
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
pub(crate) unsafe fn resident_pages(start: *const u8, states: &mut [bool]) -> io::Result<()> {
    /// How many pages are asked about in one call.
    const CHUNK: usize = 1024;
    let page = page_size();
    let mut vector = [0u8; CHUNK];
    for (index, states) in states.chunks_mut(CHUNK).enumerate() {
        // SAFETY: these pages are some of the `states.len()` pages that the caller promises are mapped.
        let chunk = unsafe { start.add(index * CHUNK * page) };
        // SAFETY: the pages are mapped, and the vector has room for one byte for each.
        let answer = unsafe { libc::mincore(chunk.cast_mut().cast(), states.len() * page, vector.as_mut_ptr().cast()) };
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
        for (state, byte) in states.iter_mut().zip(vector) {
            *state = byte & 1 != 0;
        }
    }
    Ok(())
}

/// `dlsym`: a function that the process exports by this name.
#[cfg(any(feature = "napi", target_os = "linux"))]
pub(crate) fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: the name ends with a zero.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// Whether it is one of the first three.
#[cfg(feature = "napi")]
pub(crate) fn is_standard_stream(descriptor: FileDescriptor) -> bool {
    (0..=2).contains(&descriptor)
}
