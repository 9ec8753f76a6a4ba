//! Asks allocators to give freed memory back to the system.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};

use crate::os::unix::symbol;

/// Asks the C library's allocator, and those that may have been loaded in its place. A missing one is skipped.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: glibc's call has no precondition; it touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
    trim_tcmalloc();
    trim_mimalloc();
    trim_jemalloc();
}

fn trim_tcmalloc() {
    type ReleaseFreeMemory = unsafe extern "C" fn();
    if let Some(symbol) = symbol(c"MallocExtension_ReleaseFreeMemory") {
        // SAFETY: tcmalloc's C header declares the function with this type; it has no precondition.
        unsafe { mem::transmute::<NonNull<c_void>, ReleaseFreeMemory>(symbol)() };
    }
}

fn trim_mimalloc() {
    type Collect = unsafe extern "C" fn(force: bool);
    if let Some(symbol) = symbol(c"mi_collect") {
        // SAFETY: mimalloc's header declares the function with this type; it has no precondition.
        unsafe { mem::transmute::<NonNull<c_void>, Collect>(symbol)(true) };
    }
}

fn trim_jemalloc() {
    type Mallctl = unsafe extern "C" fn(*const c_char, *mut c_void, *mut usize, *mut c_void, usize) -> c_int;
    /// Gives back what is freed in all arenas: 4096 is jemalloc's number for "all".
    const PURGE: &CStr = c"arena.4096.purge";
    if let Some(symbol) = symbol(c"mallctl") {
        // SAFETY: jemalloc's header declares the function with this type. This name neither takes nor gives a value.
        unsafe {
            mem::transmute::<NonNull<c_void>, Mallctl>(symbol)(
                PURGE.as_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                0,
            );
        }
    }
}
