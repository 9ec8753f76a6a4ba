//! The hot pair: allocate into a slot and free a slot, as raw Node-API calls with plain numbers.
//!
//! A call through a class of napi-rs costs some 200 ns more than one of these. A number is a slot's
//! key (see [`table`](super::table)); one that is stale or forged throws.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::{Env, FromNapiValue, Unknown};
use napi::sys;
use napi_derive::napi;

use super::environment::Environment;
use super::failure::{Failure, Outcome, check};
use super::lifecycle::Init;
use super::slot::{byte_of, length_of};
use super::table::{END_OF_KEYS, KEY_STEP};

/// The second argument of `allocate` that asks for memory as it is.
const UNINIT: f64 = -1.0;

/// Hands the raw calls out, once in each environment:
///
/// - `allocate(key, byteLength, fill)` allocates into the slot of that key, and returns the block's
///   address, or -1 if a number cannot hold it. `fill` is a byte, or -1 for memory as it is.
/// - `free(key)` frees the slot's block. The slot's next key is `key + keyStep`, as long as that is below
///   `endOfKeys`; then it has none left.
///
/// Both throw what `Slot` throws, and `ERR_CMALLOC_FREED` for a number that is stale or forged.
#[napi(ts_return_type = "HotPair")]
pub fn take_hot_pair(env: Env) -> napi::Result<Unknown<'static>> {
    let take = || {
        let environment = Environment::of(env.raw())?;
        if environment.hot_pair_taken.replace(true) {
            return Err(Failure::hot_pair_taken());
        }
        create_pair(env.raw(), &environment)
    };
    let pair = take().map_err(|failure| failure.thrown(env.raw()))?;
    // SAFETY: a value of this environment and of the current scope.
    unsafe { Unknown::from_napi_value(env.raw(), pair) }
}

fn create_pair(env: sys::napi_env, environment: &Rc<Environment>) -> Outcome<sys::napi_value> {
    let mut pair = ptr::null_mut();
    let allocate = create_function(env, environment, allocate)?;
    let free = create_function(env, environment, free)?;
    let key_step = number(env, KEY_STEP)?;
    let end_of_keys = number(env, END_OF_KEYS)?;
    // SAFETY: `pair` is a place to write to, the names end with a zero, the values are of this scope.
    unsafe {
        check(sys::napi_create_object(env, &raw mut pair))?;
        check(sys::napi_set_named_property(env, pair, c"allocate".as_ptr(), allocate))?;
        check(sys::napi_set_named_property(env, pair, c"free".as_ptr(), free))?;
        check(sys::napi_set_named_property(env, pair, c"keyStep".as_ptr(), key_step))?;
        check(sys::napi_set_named_property(env, pair, c"endOfKeys".as_ptr(), end_of_keys))?;
    }
    Ok(pair)
}

/// A function that is given the environment as its data, and keeps it alive.
fn create_function(
    env: sys::napi_env,
    environment: &Rc<Environment>,
    callback: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
) -> Outcome<sys::napi_value> {
    let data = Rc::into_raw(Rc::clone(environment)).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: `data` is counted for the function, until its finalizer gives the count up. Should the
    // runtime refuse half-way, the count stays and the environment with it.
    unsafe {
        check(sys::napi_create_function(env, ptr::null(), 0, Some(callback), data, &raw mut function))?;
        check(sys::napi_add_finalizer(env, function, data, Some(release_data), ptr::null_mut(), ptr::null_mut()))?;
    }
    Ok(function)
}

unsafe extern "C" fn release_data(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: `create_function` counted the environment for this function, which is gone.
    drop(unsafe { Rc::from_raw(data.cast::<Environment>().cast_const()) });
}

unsafe extern "C" fn allocate(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        run(env, info, |environment, [key, byte_length, fill]| {
            let place = environment.slots.find(key).ok_or_else(Failure::stale_key)?;
            let init = if fill == UNINIT { Init::Uninit } else { Init::Byte(byte_of(fill)?) };
            environment.allocate(env, place, length_of(byte_length)?, init)?;
            let (start, _) = place.parts().ok_or_else(Failure::freed)?;
            number(env, address_as_number(start.as_ptr().expose_provenance()))
        })
    }
}

unsafe extern "C" fn free(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        run(env, info, |environment, [key]| {
            let place = environment.slots.find(key).ok_or_else(Failure::stale_key)?;
            environment.free(env, place)?;
            Ok(ptr::null_mut())
        })
    }
}

/// Runs a raw call that takes numbers; null stands for `undefined`. What goes wrong is thrown; nothing unwinds into
/// the runtime.
///
/// # Safety
///
/// `env` and `info` must be those of a call to a function that `create_function` made.
#[inline]
unsafe fn run<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    call: impl FnOnce(&Environment, [f64; N]) -> Outcome<sys::napi_value>,
) -> sys::napi_value {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut count = N;
        let mut values = [ptr::null_mut(); N];
        let mut data = ptr::null_mut();
        // SAFETY: the runtime writes at most `count` values, fills up with `undefined`, and the
        // pointer that the function was made with.
        check(unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, values.as_mut_ptr(), ptr::null_mut(), &raw mut data)
        })?;
        // SAFETY: `create_function` set the data, and the function that is being called keeps it.
        let environment = unsafe { &*data.cast::<Environment>().cast_const() };
        let mut numbers = [0.0; N];
        for (number, value) in numbers.iter_mut().zip(values) {
            // SAFETY: `value` was just given by the runtime.
            if unsafe { sys::napi_get_value_double(env, value, number) } != sys::Status::napi_ok {
                return Err(Failure::wrong_type("Every argument must be a number"));
            }
        }
        call(environment, numbers)
    }));
    outcome.unwrap_or_else(|_| Err(Failure::panicked())).unwrap_or_else(|failure| {
        failure.throw(env);
        ptr::null_mut()
    })
}

fn number(env: sys::napi_env, value: f64) -> Outcome<sys::napi_value> {
    let mut result = ptr::null_mut();
    // SAFETY: `result` is a place to write to.
    check(unsafe { sys::napi_create_double(env, value, &raw mut result) })?;
    Ok(result)
}

/// Every address of a 64-bit user space is an integer that a double holds; a tagged one is not.
fn address_as_number(address: usize) -> f64 {
    if address as u64 > 1 << 53 { -1.0 } else { address as f64 }
}
