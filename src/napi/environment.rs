//! What belongs to one environment: a thread, or a context of it, that loaded the addon.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use napi::sys;

use super::ending::EndsAlong;
use super::event_loop::EventLoop;
use super::failure::{Failure, Outcome, check};
use super::hot::Registers;
use super::let_go::LetGo;
use super::ownership;
use super::stores::{Finalizers, Stores};
use super::sweep::Sweeper;
use super::table::Owner;
use super::view::View;
use crate::Pool;

/// How far the bytes that V8 was told of may be off, so that it is not told of every small block.
const REPORT_FROM: i64 = 64 << 10;

/// An environment's slots and what they need. Held by the environment's instance data, by every slot
/// and by the hot pair: whichever the runtime finalizes last.
pub(crate) struct Environment {
    pub(crate) slots: Owner,
    /// The `ArrayBuffer`s over blocks, by the entry that lent the block.
    pub(crate) views: RefCell<HashMap<u32, View>>,
    /// The pools that blocks go back to, by the entry that has the block.
    pub(crate) homes: RefCell<HashMap<u32, Arc<Pool>>>,
    pub(crate) stores: Stores,
    pub(crate) event_loop: EventLoop,
    pub(crate) let_go: LetGo,
    /// What else must end with the environment, where the runtime does not finalize it then.
    pub(super) left: RefCell<Vec<Weak<dyn EndsAlong>>>,
    /// `ArrayBuffer.prototype.transfer` as it was when the addon was loaded; null before Node 21.
    pub(crate) transfer: Cell<sys::napi_ref>,
    /// `Bun.gc`; null elsewhere.
    pub(crate) bun_gc: Cell<sys::napi_ref>,
    pub(crate) hot_pair_taken: Cell<bool>,
    pub(crate) sweeper: Sweeper,
    pub(crate) registers: Cell<&'static Registers>,
    /// Bytes that V8 has not been told of yet.
    unreported: Cell<i64>,
}

impl Environment {
    /// Sets the environment up as it loads the addon.
    pub(crate) fn create(env: sys::napi_env) -> Outcome<()> {
        /// Sets the keys of environments apart.
        static FIRST_GENERATION: AtomicU32 = AtomicU32::new(1);
        const DISTANCE: u32 = 1_000_003;

        let (finalizers, bun_gc) = if is_runtime(env, c"bun")? {
            (Finalizers::Unordered, capture(env, &[c"Bun", c"gc"])?)
        } else if is_runtime(env, c"deno")? {
            (Finalizers::ByCollector, ptr::null_mut())
        } else {
            (Finalizers::Ordered, ptr::null_mut())
        };
        let environment = Rc::new(Self {
            slots: Owner::new(FIRST_GENERATION.fetch_add(DISTANCE, Ordering::Relaxed)),
            views: RefCell::default(),
            homes: RefCell::default(),
            stores: Stores::new(finalizers, view_sweep_is_on()),
            event_loop: EventLoop::new(finalizers == Finalizers::Ordered),
            let_go: LetGo::new(),
            left: RefCell::default(),
            transfer: Cell::new(capture_transfer(env)?),
            bun_gc: Cell::new(bun_gc),
            hot_pair_taken: Cell::new(false),
            sweeper: Sweeper::new(),
            registers: Cell::new(Registers::leak()),
            unreported: Cell::new(0),
        });
        ownership::lock().add_table(environment.slots.table());
        if finalizers != Finalizers::Ordered {
            environment.hear_of_end(env)?;
        }
        let data = Rc::into_raw(environment).cast_mut().cast::<c_void>();
        // SAFETY: `data` stays valid until `finalize`, which gives the count up that is held here.
        let status = unsafe { sys::napi_set_instance_data(env, data, Some(finalize), ptr::null_mut()) };
        check(status).inspect_err(|_| {
            // SAFETY: the runtime did not take the count.
            drop(unsafe { Rc::from_raw(data.cast::<Self>()) });
        })
    }

    /// The environment of a call from JavaScript.
    pub(crate) fn of(env: sys::napi_env) -> Outcome<Rc<Self>> {
        let mut data = ptr::null_mut();
        // SAFETY: `data` is a place to write to.
        check(unsafe { sys::napi_get_instance_data(env, &raw mut data) })?;
        if data.is_null() {
            return Err(Failure::node_api(sys::Status::napi_generic_failure));
        }
        let environment = data.cast::<Self>().cast_const();
        // SAFETY: only `create` sets this addon's instance data, to a counted pointer that lives as
        // long as JavaScript runs in the environment.
        unsafe {
            Rc::increment_strong_count(environment);
            Ok(Rc::from_raw(environment))
        }
    }

    /// Tells V8, now or soon, that so many bytes outside of its heap came or went: that is what makes
    /// it collect handles at all.
    ///
    /// Each block that has no `ArrayBuffer` is reported, in the environment of its slot, and taken
    /// back there once. Bytes under an `ArrayBuffer` are counted by V8 itself.
    #[inline]
    pub(crate) fn report(&self, env: sys::napi_env, bytes: i64) {
        let unreported = self.unreported.get() + bytes;
        self.unreported.set(unreported);
        if unreported.abs() >= REPORT_FROM {
            self.flush_report(env);
        }
    }

    /// Tells V8 of what it has not been told yet. Returns what it has been told in all.
    pub(crate) fn flush_report(&self, env: sys::napi_env) -> i64 {
        let mut total = 0;
        // SAFETY: `total` is a place to write to.
        unsafe { sys::napi_adjust_external_memory(env, self.unreported.replace(0), &raw mut total) };
        total
    }

    /// Deletes the references that last as long as the environment: the runtime does not.
    fn delete_references(&self, env: sys::napi_env) {
        for reference in [&self.transfer, &self.bun_gc, &self.stores.sentinel] {
            let reference = reference.replace(ptr::null_mut());
            if !reference.is_null() {
                // SAFETY: the reference was just taken out, so that it is deleted once.
                unsafe { sys::napi_delete_reference(env, reference) };
            }
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        ownership::lock().remove_table(self.slots.table());
    }
}

/// Whether the program has not turned off that dropped blocks with an `ArrayBuffer` are freed without waiting for the
/// event loop.
fn view_sweep_is_on() -> bool {
    std::env::var_os("CMALLOC_VIEW_SWEEP").is_none_or(|value| value != "0")
}

unsafe extern "C" fn finalize(env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the count that `create` left to the instance data is given up here, once.
    let environment = unsafe { Rc::from_raw(data.cast::<Environment>().cast_const()) };
    environment.flush_report(env);
    environment.delete_references(env);
}

/// A reference to `ArrayBuffer.prototype.transfer`, or null where the runtime has none.
///
/// What an older runtime shows is a polyfill: it may fail to detach a buffer over foreign memory, and
/// `napi_detach_arraybuffer` is safe there.
fn capture_transfer(env: sys::napi_env) -> Outcome<sys::napi_ref> {
    /// The first version of Node whose V8 has it.
    const SINCE: u32 = 21;
    let mut version = ptr::null();
    // SAFETY: `version` is a place to write to; what is written points to a constant of the runtime.
    let major = unsafe {
        check(sys::napi_get_node_version(env, &raw mut version))?;
        (*version).major
    };
    if major < SINCE {
        return Ok(ptr::null_mut());
    }
    capture(env, &[c"ArrayBuffer", c"prototype", c"transfer"])
}

/// Whether this is the runtime of that name, as `process.versions` says. A program may have globals of another one.
fn is_runtime(env: sys::napi_env, name: &CStr) -> Outcome<bool> {
    let (_, kind) = look_up(env, &[c"process", c"versions", name])?;
    Ok(kind == sys::ValueType::napi_string)
}

/// A strong reference to the function that the names lead to from the global object; null if there is none.
fn capture(env: sys::napi_env, names: &[&CStr]) -> Outcome<sys::napi_ref> {
    let mut reference = ptr::null_mut();
    let (value, kind) = look_up(env, names)?;
    if kind == sys::ValueType::napi_function {
        // SAFETY: `reference` is a place to write to, and the function was just looked up.
        check(unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) })?;
    }
    Ok(reference)
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
