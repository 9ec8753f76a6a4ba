//! The one call that makes an `ArrayBuffer` over foreign memory, which some runtimes refuse (Electron).

use std::ffi::c_void;

use napi::sys;

use crate::fault;

/// `napi_create_external_arraybuffer`, or what it answers where the runtime allows no external memory.
///
/// # Safety
///
/// The `len` bytes at `start` stay valid until `finalizer` is called with `hint`; `value` is a place to write to.
pub(crate) unsafe fn create_array_buffer(
    env: sys::napi_env,
    start: *mut c_void,
    len: usize,
    finalizer: unsafe extern "C" fn(sys::napi_env, *mut c_void, *mut c_void),
    hint: *mut c_void,
    value: *mut sys::napi_value,
) -> sys::napi_status {
    if fault::external_buffers_are_refused() {
        return sys::Status::napi_no_external_buffers_allowed;
    }
    // SAFETY: the caller keeps the bytes, and gives a place to write to.
    unsafe { sys::napi_create_external_arraybuffer(env, start, len, Some(finalizer), hint, value) }
}
