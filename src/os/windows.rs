//! Windows.

#[cfg(feature = "napi")]
use std::ffi::{CStr, c_void};
use std::io;
use std::mem;
use std::ptr::NonNull;

#[cfg(feature = "napi")]
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE};
#[cfg(feature = "napi")]
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW, GetModuleHandleW,
    GetProcAddress,
};
use windows_sys::Win32::System::ProcessStatus::{K32QueryWorkingSetEx, PSAPI_WORKING_SET_EX_INFORMATION};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, GlobalMemoryStatusEx, MEMORYSTATUSEX, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

#[cfg(feature = "napi")]
pub(crate) use super::unsupported::validate_address;
// There is no `populate`: `PrefetchVirtualMemory` reads pages in, but does not make them writable in the working set.
pub(crate) use super::unsupported::{
    BRINGS_MANY, advise_huge, discard, hide_from_dumps, huge_page_size, lock, lock_limit, mappings, populate,
    show_in_dumps, trim, unlock,
};

/// What names an open file: a handle.
#[cfg(feature = "napi")]
pub(crate) type FileDescriptor = usize;

unsafe extern "C" {
    /// Of the C runtime that this crate is linked to, like `malloc` itself.
    fn _msize(block: *mut libc::c_void) -> usize;
}

/// `GetSystemInfo`.
pub(crate) fn page_size() -> usize {
    // SAFETY: the structure holds integers and pointers, for which zero is a value.
    let mut info: SYSTEM_INFO = unsafe { mem::zeroed() };
    // SAFETY: `info` is a structure to write to.
    unsafe { GetSystemInfo(&raw mut info) };
    info.dwPageSize as usize
}

/// `QueryWorkingSetEx`: which of the pages from `start` on are in the working set.
///
/// # Safety
///
/// `start` must be page-aligned.
pub(crate) unsafe fn resident_pages(start: *const u8, states: &mut [bool]) -> io::Result<()> {
    const CHUNK: usize = 256;
    const VALID: usize = 1;
    let page = page_size();
    for (chunk, states) in states.chunks_mut(CHUNK).enumerate() {
        // SAFETY: the structure holds a pointer and an integer, for which zero is a value.
        let mut pages: [PSAPI_WORKING_SET_EX_INFORMATION; CHUNK] = unsafe { mem::zeroed() };
        for (index, information) in pages[..states.len()].iter_mut().enumerate() {
            information.VirtualAddress = start.wrapping_add((chunk * CHUNK + index) * page).cast_mut().cast();
        }
        let size = u32::try_from(mem::size_of_val(&pages[..states.len()])).unwrap_or(u32::MAX);
        // SAFETY: the pseudo handle is always valid, and `size` is the size of the entries.
        if unsafe { K32QueryWorkingSetEx(GetCurrentProcess(), pages.as_mut_ptr().cast(), size) } == 0 {
            return Err(io::Error::last_os_error());
        }
        for (state, information) in states.iter_mut().zip(&pages) {
            // SAFETY: the call filled the union, and every bit pattern is a value of each of its members.
            *state = unsafe { information.VirtualAttributes.Flags } & VALID != 0;
        }
    }
    Ok(())
}

/// How many bytes a block of the C runtime holds.
///
/// # Safety
///
/// `block` must be a live block of the C runtime that this crate is linked to.
pub(crate) unsafe fn usable_size(block: NonNull<u8>) -> Option<usize> {
    // SAFETY: passed on from the caller.
    Some(unsafe { _msize(block.as_ptr().cast()) })
}

/// The free physical memory, or what can still be committed: whichever is less.
pub(crate) fn available_memory() -> Option<u64> {
    // SAFETY: the structure holds integers only, for which zero is a value.
    let mut status: MEMORYSTATUSEX = unsafe { mem::zeroed() };
    status.dwLength = u32::try_from(mem::size_of::<MEMORYSTATUSEX>()).ok()?;
    // SAFETY: the structure says how long it is.
    if unsafe { GlobalMemoryStatusEx(&raw mut status) } == 0 {
        return None;
    }
    Some(status.ullAvailPhys.min(status.ullAvailPageFile))
}

/// `GetModuleHandleEx` with the flag that pins the library. If the call fails, the library is unloaded when nobody uses
/// it.
#[cfg(feature = "napi")]
pub(crate) fn stay_loaded() {
    let mut module = std::ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    // SAFETY: with `FROM_ADDRESS` the name may be any address inside the library, here that of this function. `module`
    // is valid to write to.
    unsafe { GetModuleHandleExW(flags, stay_loaded as *const u16, &raw mut module) };
}

/// `GetProcAddress`: a function that the program exports by this name.
#[cfg(feature = "napi")]
pub(crate) fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: a null module name means the program. The function's name ends with a zero.
    let function = unsafe { GetProcAddress(GetModuleHandleW(std::ptr::null()), name.as_ptr().cast()) };
    NonNull::new(function? as *mut c_void)
}

/// `CompareObjectHandles`, because libuv uses duplicates of the standard handles. Windows before 10 has no such
/// function: there the answer is always `false`.
#[cfg(feature = "napi")]
pub(crate) fn is_standard_stream(descriptor: FileDescriptor) -> bool {
    type Compare = unsafe extern "system" fn(usize, usize) -> i32;
    // SAFETY: both names end with a zero. `Compare` is the type that Windows documents, and the function takes any
    // handles.
    unsafe {
        let Some(compare) = GetProcAddress(
            GetModuleHandleW(windows_sys::w!("kernelbase.dll")),
            c"CompareObjectHandles".as_ptr().cast(),
        ) else {
            return false;
        };
        let compare = mem::transmute::<unsafe extern "system" fn() -> isize, Compare>(compare);
        [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE]
            .into_iter()
            .any(|stream| compare(descriptor, GetStdHandle(stream).addr()) != 0)
    }
}
