//! The raw calls: allocate into a slot and free a slot, without what napi-rs does for each call.
//!
//! A call through a class of napi-rs costs some 200 ns more than one of these. Arguments and results are numbers in an array
//! that both sides see, the **registers**, which saves the conversion of each of them. A slot is named by its key (see
//! [`slots`](crate::napi::state::slots)); one that is stale or forged throws.
//!
//! A thread may evaluate `lib/` more than once, as test runners do. Each evaluation gets raw calls of its own, which name its
//! own slots alone. So whoever asks for them once more gets power over nothing.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use napi::bindgen_prelude::{Env, FromNapiValue, Unknown};
use napi::sys;
use napi_derive::napi;

use crate::block::Attributes;
use crate::debug;
use crate::napi::environment::Environment;
use crate::napi::node_api::arguments::{Bytes, address_as_number, byte_of, index_of, init_of, length_of};
use crate::napi::node_api::event_loop::User;
use crate::napi::node_api::external::create_array_buffer;
use crate::napi::node_api::failure::{Failure, Outcome, check, throwing};
use crate::napi::state::caches::Cache;
use crate::napi::state::registers::Registers;
use crate::napi::state::slots::{END_OF_KEYS, KEY_STEP, SlotRef};
use crate::napi::{lifecycle, viewed};

/// What asks for memory as it is, instead of a byte to fill it with.
const UNINIT: f64 = -1.0;

/// Its address names this library among all that the process has loaded: each copy of the addon has one of its own.
static LIBRARY: AtomicBool = AtomicBool::new(false);

/// What the raw calls of one evaluation share. Each of them keeps it.
struct Calls {
    environment: Rc<Environment>,
    registers: &'static Registers,
    /// The buffer that the registers are in, where the runtime allows no external memory (Electron); else null.
    buffer: Cell<sys::napi_ref>,
    /// Only slots of this owner are named.
    owner: u32,
    /// The cache of freed blocks that counts in the registers.
    cache: Rc<Cache>,
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.environment.remove_cache(&self.cache);
    }
}

/// Hands raw calls out, for slots that are made with their `owner`. They take and return numbers in `registers`:
///
/// - `allocate()` allocates `registers[1]` bytes into the slot of key `registers[0]`, filled with the byte
///   `registers[2]`, or as they are if that is -1. It sets `registers[1]` to the block's address, or to -1 if a
///   number cannot hold it.
/// - `free()` frees the block of the slot of key `registers[0]`. The slot's next key is `keyStep` more, as long as
///   that is below `endOfKeys`; then it has none left. It sets `registers[1]` to what `Slot.free` returns.
/// - `freeNow()` is to `free()` what `Slot.freeNow` is to `Slot.free`.
/// - `fill()` fills the block of the slot of key `registers[0]` with the byte `registers[2]`.
/// - `write(bytes)` copies the whole of a `Uint8Array` into that block, from its byte `registers[1]` on, and `read(bytes)` fills
///   a `Uint8Array` with what the block has from there on.
/// - `buffer()` returns what `Slot.buffer` does.
/// - `detach()` detaches that, unless something may be using the bytes. It sets `registers[1]` to 1 if nobody but the slot has
///   the bytes then, else to 0.
///
/// The cache of freed blocks, where `mayCache` allows one, counts in `registers[3]` the blocks that it has handed out, in
/// `registers[4]` and `registers[5]` the blocks and bytes that it has. It frees these if `registers[6]` is 1, and keeps none as
/// long as that is 2.
///
/// All throw what `Slot` throws, and `ERR_CMALLOC_FREED` for a key that is stale, forged or another owner's.
#[napi(ts_return_type = "RawCalls")]
pub fn take_raw_calls(env: Env) -> napi::Result<Unknown<'static>> {
    let calls = throwing(env, || {
        let environment = Environment::of(env.raw())?;
        let owner = environment.owners.get() + 1;
        environment.owners.set(owner);
        let buffer = Cell::new(ptr::null_mut());
        let registers = Registers::leak();
        let cache = Rc::new(Cache::new(registers));
        environment.add_cache(&cache);
        create(env.raw(), &Rc::new(Calls { environment, registers, buffer, owner, cache }))
    })?;
    // SAFETY: a value of this environment and of the current scope.
    unsafe { Unknown::from_napi_value(env.raw(), calls) }
}

fn create(env: sys::napi_env, calls: &Rc<Calls>) -> Outcome<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: `object` is a place to write to.
    check(unsafe { sys::napi_create_object(env, &raw mut object) })?;
    let registers = create_registers(env, calls)?;
    let may_cache = may_cache(calls);
    let properties = [
        (c"registers", registers),
        (c"allocate", create_function(env, calls, allocate)?),
        (c"free", create_function(env, calls, free)?),
        (c"freeNow", create_function(env, calls, free_now)?),
        (c"fill", create_function(env, calls, fill)?),
        (c"write", create_function(env, calls, write)?),
        (c"read", create_function(env, calls, read)?),
        (c"buffer", create_function(env, calls, buffer)?),
        (c"detach", create_function(env, calls, detach)?),
        (c"mayCache", create_boolean(env, may_cache)?),
        (c"owner", create_number(env, calls.owner.into())?),
        (c"keyStep", create_number(env, KEY_STEP)?),
        (c"endOfKeys", create_number(env, END_OF_KEYS)?),
        (c"library", create_number(env, address_as_number(ptr::from_ref(&LIBRARY).addr()))?),
    ];
    for (name, value) in properties {
        // SAFETY: the name ends with a zero, and both values are of this scope.
        check(unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), value) })?;
    }
    Ok(object)
}

/// A `Float64Array` over the registers.
fn create_registers(env: sys::napi_env, calls: &Calls) -> Outcome<sys::napi_value> {
    let (kind, len) = (sys::TypedarrayType::float64_array, Registers::LEN);
    let buffer = create_register_buffer(env, calls)?;
    let mut array = ptr::null_mut();
    // SAFETY: the buffer was just made, with room for so many doubles.
    check(unsafe { sys::napi_create_typedarray(env, kind, len, buffer, 0, &raw mut array) })?;
    Ok(array)
}

/// An `ArrayBuffer` over the registers; or where the runtime allows no external memory, one of its own, in which the registers
/// are from now on.
fn create_register_buffer(env: sys::napi_env, calls: &Calls) -> Outcome<sys::napi_value> {
    unsafe extern "C" fn nothing(_: sys::napi_env, _: *mut c_void, _: *mut c_void) {}
    let mut buffer = ptr::null_mut();
    let start = ptr::from_ref(calls.registers).cast_mut().cast::<c_void>();
    // SAFETY: the memory is never given back, and Rust accesses it as atomics only.
    let status = unsafe {
        let len = size_of::<Registers>();
        create_array_buffer(env, start, len, nothing, ptr::null_mut(), &raw mut buffer)
    };
    if status != sys::Status::napi_no_external_buffers_allowed {
        check(status)?;
        return Ok(buffer);
    }
    let mut start = ptr::null_mut();
    let mut reference = ptr::null_mut();
    // SAFETY: each place to write to is a local.
    unsafe {
        check(sys::napi_create_arraybuffer(env, size_of::<Registers>(), &raw mut start, &raw mut buffer))?;
        check(sys::napi_create_reference(env, buffer, 1, &raw mut reference))?;
    }
    calls.buffer.set(reference);
    Ok(buffer)
}

impl Calls {
    /// The registers, until JavaScript runs next.
    #[inline]
    fn registers(&self, env: sys::napi_env) -> Outcome<&Registers> {
        if self.buffer.get().is_null() { Ok(self.registers) } else { self.registers_in_buffer(env) }
    }

    /// Where they are now: whoever has the buffer may have moved its memory away.
    #[cold]
    fn registers_in_buffer(&self, env: sys::napi_env) -> Outcome<&Registers> {
        let (mut buffer, mut start, mut len) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: each place to write to is a local; the reference is strong and never deleted.
        unsafe {
            check(sys::napi_get_reference_value(env, self.buffer.get(), &raw mut buffer))?;
            check(sys::napi_get_arraybuffer_info(env, buffer, &raw mut start, &raw mut len))?;
        }
        if len < size_of::<Registers>() {
            return Err(Failure::stale_key());
        }
        // SAFETY: the buffer has the memory now, with room for the registers, aligned for doubles. Only JavaScript could move
        // it away, and the caller looks again after that.
        Ok(unsafe { &*start.cast::<Registers>().cast_const() })
    }
}

fn create_number(env: sys::napi_env, value: f64) -> Outcome<sys::napi_value> {
    let mut result = ptr::null_mut();
    // SAFETY: `result` is a place to write to.
    check(unsafe { sys::napi_create_double(env, value, &raw mut result) })?;
    Ok(result)
}

/// Whether an evaluation may keep freed blocks. Not if `CMALLOC_CACHE=0`, nor in the debug mode, which looks at each block as it
/// is freed; nor if other threads cannot read what the cache counts, as the registers are in a buffer of the runtime's.
fn may_cache(calls: &Calls) -> bool {
    let is_on = std::env::var_os("CMALLOC_CACHE").is_none_or(|value| value != "0");
    is_on && !debug::is_enabled() && calls.buffer.get().is_null()
}

fn create_boolean(env: sys::napi_env, value: bool) -> Outcome<sys::napi_value> {
    let mut result = ptr::null_mut();
    // SAFETY: `result` is a place to write to.
    check(unsafe { sys::napi_get_boolean(env, value, &raw mut result) })?;
    Ok(result)
}

/// A function that is given the calls as its data, and keeps them alive.
fn create_function(
    env: sys::napi_env,
    calls: &Rc<Calls>,
    callback: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
) -> Outcome<sys::napi_value> {
    let data = Rc::into_raw(Rc::clone(calls)).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: `data` is counted for the function, until its finalizer gives the count up. Should the runtime refuse half-way,
    // the count stays and the environment with it.
    unsafe {
        check(sys::napi_create_function(env, ptr::null(), 0, Some(callback), data, &raw mut function))?;
        check(sys::napi_add_finalizer(env, function, data, Some(release_data), ptr::null_mut(), ptr::null_mut()))?;
    }
    Ok(function)
}

unsafe extern "C" fn release_data(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: `create_function` counted the calls for this function, which is gone.
    drop(unsafe { Rc::from_raw(data.cast::<Calls>().cast_const()) });
}

unsafe extern "C" fn allocate(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        run(env, info, |calls| {
            let registers = calls.registers(env)?;
            let slot = find(calls, registers)?;
            let len = length_of(registers.get(Registers::BYTE_LENGTH))?;
            let init = init_of(Some(registers.get(Registers::FILL)).filter(|fill| *fill != UNINIT))?;
            lifecycle::allocate(&calls.environment, slot, len, init, Attributes::PLAIN)?;
            let (start, _) = slot.parts().ok_or_else(Failure::freed)?;
            // Looked up again: a collection may have run hooks of the program.
            let registers = calls.registers(env)?;
            registers.set(Registers::BYTE_LENGTH, address_as_number(start.as_ptr().expose_provenance()));
            Ok(())
        })
    }
}

unsafe extern "C" fn free(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        run(env, info, |calls| {
            let user = lifecycle::free(&calls.environment, find(calls, calls.registers(env)?)?)?;
            calls.registers(env)?.set(Registers::USER, User::number(user).into());
            Ok(())
        })
    }
}

unsafe extern "C" fn free_now(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe { run(env, info, |calls| lifecycle::free_now(&calls.environment, find(calls, calls.registers(env)?)?)) }
}

unsafe extern "C" fn fill(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        run(env, info, |calls| {
            let registers = calls.registers(env)?;
            let (start, len) = find(calls, registers)?.parts().ok_or_else(Failure::freed)?;
            let byte = byte_of(registers.get(Registers::FILL))?;
            // SAFETY: the slot holds the block, which is so long; only this thread could end it.
            start.as_ptr().write_bytes(byte, len);
            Ok(())
        })
    }
}

unsafe extern "C" fn write(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        copy(env, info, |part, bytes| {
            // SAFETY: `copy` gives a part of the block that is as long as the bytes, which may be a view over that block.
            ptr::copy(bytes.start, part, bytes.len);
        })
    }
}

unsafe extern "C" fn read(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        copy(env, info, |part, bytes| {
            // SAFETY: as in `write`.
            ptr::copy(part, bytes.start, bytes.len);
        })
    }
}

/// Copies between the `Uint8Array` that a call is given and the part of the block that begins where the registers say.
///
/// # Safety
///
/// As for [`run`].
unsafe fn copy(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    copy: impl FnOnce(*mut u8, &Bytes),
) -> sys::napi_value {
    // SAFETY: passed on from the caller.
    unsafe {
        run(env, info, |calls| {
            let registers = calls.registers(env)?;
            let (block, len) = find(calls, registers)?.parts().ok_or_else(Failure::freed)?;
            let bytes = Bytes::from_napi_value(env, first_argument(env, info)?)
                .map_err(|_| Failure::wrong_type("What is copied must be a Uint8Array"))?;
            let start = registers.get(Registers::START);
            let room = index_of(start).and_then(|start| len.checked_sub(start)).unwrap_or(0);
            if bytes.len > room {
                let wanted = bytes.len;
                return Err(Failure::out_of_range(format!("A block of {len} bytes has no {wanted} from {start} on")));
            }
            // The block has room for the bytes, which are a view that JavaScript keeps alive during the call.
            copy(block.as_ptr().add(len - room), &bytes);
            Ok(())
        })
    }
}

unsafe extern "C" fn buffer(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        run(env, info, |calls| {
            value = viewed::buffer(&calls.environment, find(calls, calls.registers(env)?)?)?;
            Ok(())
        });
    }
    value
}

unsafe extern "C" fn detach(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the runtime calls with its own arguments.
    unsafe {
        run(env, info, |calls| {
            let is_detached = viewed::take_back(&calls.environment, find(calls, calls.registers(env)?)?)?;
            calls.registers(env)?.set(Registers::IS_DETACHED, f64::from(u8::from(is_detached)));
            Ok(())
        })
    }
}

/// The first argument of a call, `undefined` if there is none.
fn first_argument(env: sys::napi_env, info: sys::napi_callback_info) -> Outcome<sys::napi_value> {
    let (mut count, mut argument) = (1, ptr::null_mut());
    // SAFETY: there is room for one argument.
    check(unsafe {
        sys::napi_get_cb_info(env, info, &raw mut count, &raw mut argument, ptr::null_mut(), ptr::null_mut())
    })?;
    Ok(argument)
}

/// The slot's entry that the registers name. Inlined into each call: to return an `Outcome` would cost as much as the rest.
#[inline(always)]
fn find<'a>(calls: &'a Calls, registers: &Registers) -> Outcome<SlotRef<'a>> {
    calls.environment.slots.find(registers.get(Registers::KEY), calls.owner).ok_or_else(Failure::stale_key)
}

/// Runs a raw call. What goes wrong is thrown; nothing unwinds into the runtime.
///
/// # Safety
///
/// `env` and `info` must be those of a call to a function that `create_function` made.
#[inline]
unsafe fn run(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    call: impl FnOnce(&Calls) -> Outcome<()>,
) -> sys::napi_value {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut data = ptr::null_mut();
        // SAFETY: the runtime writes the pointer that the function was made with.
        check(unsafe {
            sys::napi_get_cb_info(env, info, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &raw mut data)
        })?;
        // SAFETY: `create_function` set the data, and the function that is being called keeps it.
        call(unsafe { &*data.cast::<Calls>().cast_const() })
    }));
    if let Err(failure) = outcome.unwrap_or_else(|_| Err(Failure::panicked())) {
        failure.throw(env);
    }
    ptr::null_mut()
}
