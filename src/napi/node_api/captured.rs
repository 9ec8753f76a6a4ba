//! What is taken from the global object as the addon is loaded, before a program can replace it.

use std::cell::Cell;
use std::ffi::CStr;
use std::ptr;

use napi::sys;

use super::failure::{Outcome, check};
use super::scope::in_scope;

/// A function of the runtime's, which is kept until the environment ends; or none.
pub(crate) struct Captured(Cell<sys::napi_ref>);

impl Captured {
    pub(crate) const fn none() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }

    /// The function that the names lead to from the global object, if there is one.
    pub(crate) fn look_up(env: sys::napi_env, names: &[&CStr]) -> Outcome<Self> {
        let mut reference = ptr::null_mut();
        let (value, kind) = look_up(env, names)?;
        if kind == sys::ValueType::napi_function {
            // SAFETY: `reference` is a place to write to, and the function was just looked up.
            check(unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) })?;
        }
        Ok(Self(Cell::new(reference)))
    }

    /// `ArrayBuffer.prototype.transfer`, where the runtime has it.
    ///
    /// What an older runtime shows is a polyfill: it may fail to detach a buffer over foreign memory, and
    /// `napi_detach_arraybuffer` is safe there.
    pub(crate) fn transfer(env: sys::napi_env) -> Outcome<Self> {
        /// The first version of Node whose V8 has it.
        const SINCE: u32 = 21;
        let mut version = ptr::null();
        // SAFETY: `version` is a place to write to; what is written points to a constant of the runtime.
        let major = unsafe {
            check(sys::napi_get_node_version(env, &raw mut version))?;
            (*version).major
        };
        if major < SINCE {
            return Ok(Self::none());
        }
        Self::look_up(env, &[c"ArrayBuffer", c"prototype", c"transfer"])
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.get().is_null()
    }

    /// `function.call(this, argument)`. Whatever it throws is dropped.
    pub(crate) fn call(&self, env: sys::napi_env, this: sys::napi_value, argument: sys::napi_value) {
        let mut value = ptr::null_mut();
        let mut result = ptr::null_mut();
        // SAFETY: every place to write to is a local; the reference is strong, and deleted only as the environment ends.
        let status = unsafe {
            sys::napi_get_reference_value(env, self.0.get(), &raw mut value);
            sys::napi_call_function(env, this, value, 1, &raw const argument, &raw mut result)
        };
        if status != sys::Status::napi_ok {
            clear_exception(env);
        }
    }

    /// Lets go of the function as the environment ends: the runtime does not.
    pub(crate) fn delete(&self, env: sys::napi_env) {
        let reference = self.0.replace(ptr::null_mut());
        if !reference.is_null() {
            // SAFETY: the reference was just taken out, so that it is deleted once.
            unsafe { sys::napi_delete_reference(env, reference) };
        }
    }
}

/// Whether this is the runtime of that name, as `process.versions` says. A program may have globals of another one.
pub(crate) fn is_runtime(env: sys::napi_env, name: &CStr) -> Outcome<bool> {
    let (_, kind) = look_up(env, &[c"process", c"versions", name])?;
    Ok(kind == sys::ValueType::napi_string)
}

/// Whether the environment still runs JavaScript; it does not while it is torn down.
pub(crate) fn runs_javascript(env: sys::napi_env) -> bool {
    unsafe extern "C" fn nothing(_: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
        ptr::null_mut()
    }
    let mut data = ptr::null_mut();
    // SAFETY: `data` is a place to write to.
    let status = unsafe { sys::napi_get_instance_data(env, &raw mut data) };
    // Deno, which ends the instance data first, would abort the process for what follows.
    if status != sys::Status::napi_ok || data.is_null() {
        return false;
    }
    let call = || {
        let mut function = ptr::null_mut();
        let mut this = ptr::null_mut();
        let mut result = ptr::null_mut();
        // SAFETY: every place to write to is a local.
        unsafe {
            sys::napi_create_function(env, ptr::null(), 0, Some(nothing), ptr::null_mut(), &raw mut function)
                == sys::Status::napi_ok
                && sys::napi_get_undefined(env, &raw mut this) == sys::Status::napi_ok
                && sys::napi_call_function(env, this, function, 0, ptr::null(), &raw mut result) == sys::Status::napi_ok
        }
    };
    in_scope(env, call).unwrap_or(false)
}

pub(crate) fn clear_exception(env: sys::napi_env) {
    let mut pending = false;
    let mut exception = ptr::null_mut();
    // SAFETY: both are places to write to.
    unsafe {
        sys::napi_is_exception_pending(env, &raw mut pending);
        if pending {
            sys::napi_get_and_clear_last_exception(env, &raw mut exception);
        }
    }
}

/// What the names lead to from the global object, and of which type it is.
fn look_up(env: sys::napi_env, names: &[&CStr]) -> Outcome<(sys::napi_value, sys::napi_valuetype)> {
    let mut value = ptr::null_mut();
    let mut kind = sys::ValueType::napi_object;
    // SAFETY: `value` and `kind` are places to write to; each name ends with a zero; each object comes from the call
    // before, which is checked.
    unsafe {
        check(sys::napi_get_global(env, &raw mut value))?;
        for name in names {
            if !matches!(kind, sys::ValueType::napi_object | sys::ValueType::napi_function) {
                return Ok((value, sys::ValueType::napi_undefined));
            }
            check(sys::napi_get_named_property(env, value, name.as_ptr(), &raw mut value))?;
            check(sys::napi_typeof(env, value, &raw mut kind))?;
        }
    }
    Ok((value, kind))
}
