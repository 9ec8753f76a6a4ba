//! Which backing stores an environment has, and what is still where it was as the environment ends.
//!
//! The runtime finalizes every `ArrayBuffer` as an environment goes down, the youngest first, and
//! detaches each before it calls its finalizer, which then cannot tell any more whether the bytes had
//! been moved to another thread before. So there is always a younger `ArrayBuffer` than those over
//! blocks, the **sentinel**: when its finalizer is called the others are still as JavaScript left them.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::Env;
use napi::sys;
use napi_derive::napi;

use super::environment::Environment;
use super::failure::{Outcome, check};
use super::view::{Control, View, runs_javascript};

/// The control blocks of an environment whose backing stores are there.
pub(crate) struct Stores {
    held: RefCell<Vec<Arc<Control>>>,
    /// How many to hold before those that are gone are dropped from the list.
    prune_at: Cell<usize>,
    /// A strong reference to the youngest sentinel, or null.
    pub(crate) sentinel: Cell<sys::napi_ref>,
    /// Whether the environment ends with the process: then nothing needs to be told apart at its end.
    ends_with_process: Cell<bool>,
}

impl Stores {
    pub(crate) fn new() -> Self {
        Self {
            held: RefCell::default(),
            prune_at: Cell::new(64),
            sentinel: Cell::new(ptr::null_mut()),
            ends_with_process: Cell::new(false),
        }
    }
}

/// Says that this environment is the main thread's: what its `ArrayBuffer`s hold as it ends need not be told
/// apart, as the process ends with it.
#[napi]
pub fn ends_with_process(env: Env) -> napi::Result<()> {
    let environment = Environment::of(env.raw()).map_err(|failure| failure.thrown(env.raw()))?;
    environment.stores.ends_with_process.set(true);
    Ok(())
}

impl Environment {
    /// Watches the store of a view that was just made.
    pub(crate) fn watch_store(self: &Rc<Self>, env: sys::napi_env, view: &View) {
        if self.stores.ends_with_process.get() {
            return;
        }
        {
            let mut held = self.stores.held.borrow_mut();
            if held.len() >= self.stores.prune_at.get() {
                held.retain(|control| control.store_is_held());
                self.stores.prune_at.set(held.len() * 2 + 64);
            }
            held.push(Arc::clone(&view.0));
        }
        // Should it fail, then blocks may leak as the environment ends, and are counted.
        if let Ok(sentinel) = self.create_sentinel(env) {
            let old = self.stores.sentinel.replace(sentinel);
            if !old.is_null() {
                // SAFETY: the reference was just replaced, so that it is deleted once.
                unsafe { sys::napi_delete_reference(env, old) };
            }
        }
    }

    /// A strong reference to an `ArrayBuffer` over nothing of ours.
    fn create_sentinel(self: &Rc<Self>, env: sys::napi_env) -> Outcome<sys::napi_ref> {
        static BYTE: u8 = 0;
        let mut sentinel = ptr::null_mut();
        let mut reference = ptr::null_mut();
        let hint = Rc::into_raw(Rc::clone(self)).cast_mut().cast::<c_void>();
        let byte = (&raw const BYTE).cast_mut().cast::<c_void>();
        // SAFETY: nobody gets the sentinel, so that nobody writes to the byte; the environment was
        // counted for the finalizer. Should the runtime fail, the count stays.
        unsafe {
            check(sys::napi_create_external_arraybuffer(env, byte, 1, Some(sentinel_ends), hint, &raw mut sentinel))?;
            check(sys::napi_create_reference(env, sentinel, 1, &raw mut reference))?;
        }
        Ok(reference)
    }
}

unsafe extern "C" fn sentinel_ends(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `create_sentinel` counted the environment for this finalizer.
        let environment = unsafe { Rc::from_raw(hint.cast::<Environment>().cast_const()) };
        // One that was replaced dies an ordinary death.
        if !runs_javascript(env) {
            for control in environment.stores.held.take() {
                control.note_end(env);
            }
        }
    }));
}
