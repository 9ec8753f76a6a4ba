//! The calls that make an `ArrayBuffer` or a `SharedArrayBuffer` over foreign memory, which some runtimes refuse (Electron).

use std::ffi::c_void;
use std::mem::transmute;
use std::ptr::NonNull;
use std::sync::OnceLock;

use napi::sys;

use crate::{fault, os};

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

/// `node_api_create_external_sharedarraybuffer`.
#[derive(Clone, Copy)]
pub(crate) struct CreateShared(Create);

type Create = unsafe extern "C" fn(
    sys::napi_env,
    *mut c_void,
    usize,
    Option<FinalizeShared>,
    *mut c_void,
    *mut sys::napi_value,
) -> sys::napi_status;

/// `node_api_noenv_finalize`: it is given the bytes and the hint, in any thread.
type FinalizeShared = unsafe extern "C" fn(*mut c_void, *mut c_void);

impl CreateShared {
    /// Looked up by name as it is first needed: a library that needed it could not be loaded where it is missing.
    pub(crate) fn get() -> Option<Self> {
        static FOUND: OnceLock<CreateShared> = OnceLock::new();
        if FOUND.get().is_none() {
            let symbol = os::symbol(c"node_api_create_external_sharedarraybuffer")?;
            // SAFETY: Node-API's functions keep the type that they are documented with.
            let _ = FOUND.set(Self(unsafe { transmute::<NonNull<c_void>, Create>(symbol) }));
        }
        FOUND.get().copied()
    }
}

/// A `SharedArrayBuffer` over foreign memory, or what `create` answers where the runtime allows none.
///
/// # Safety
///
/// The `len` bytes at `start` stay valid until `finalizer` is called with `hint`; `value` is a place to write to.
pub(crate) unsafe fn create_shared_array_buffer(
    env: sys::napi_env,
    create: CreateShared,
    start: *mut c_void,
    len: usize,
    finalizer: FinalizeShared,
    hint: *mut c_void,
    value: *mut sys::napi_value,
) -> sys::napi_status {
    if fault::external_buffers_are_refused() {
        return sys::Status::napi_no_external_buffers_allowed;
    }
    // SAFETY: the caller keeps the bytes, and gives a place to write to.
    unsafe { (create.0)(env, start, len, Some(finalizer), hint, value) }
}
