//! Handle scopes: how long a value that the runtime hands out keeps its object alive.

use std::ptr;

use napi::sys;

/// Runs something in a handle scope of its own: no value that it gets may be used afterwards. `None`, and nothing was
/// run, if the runtime opens no scope.
pub(crate) fn in_scope<R>(env: sys::napi_env, run: impl FnOnce() -> R) -> Option<R> {
    let mut scope = ptr::null_mut();
    // SAFETY: `scope` is a place to write to, and is closed below.
    if unsafe { sys::napi_open_handle_scope(env, &raw mut scope) } != sys::Status::napi_ok {
        return None;
    }
    let result = run();
    // SAFETY: the scope was opened above, and what is inside of it is over.
    unsafe { sys::napi_close_handle_scope(env, scope) };
    Some(result)
}
