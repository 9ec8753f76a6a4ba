//! Which backing stores an environment has, and what is still where it was as the environment ends.
//!
//! Node finalizes every `ArrayBuffer` as an environment goes down, the youngest first, and detaches each
//! before it calls its finalizer, which then cannot tell any more whether the bytes had been moved to
//! another thread before. So there is always a younger `ArrayBuffer` than those over blocks, the
//! **sentinel**, which nothing but the end can finalize: then the others are still as JavaScript left
//! them. And whatever is finalized before has really ended, even if no JavaScript runs any more.
//!
//! One case is left that cannot be told apart: handle and `ArrayBuffer` were dropped and have just been
//! collected, and the backing store is not freed yet. Such a block leaks as the environment ends.

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
use super::view::{Control, View};

/// How a runtime calls the finalizers of backing stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finalizers {
    /// Between turns of the event loop, and all of them as the environment ends, the youngest first: Node.
    Ordered,
    /// Whenever a store has ended, in any thread; those of an environment that ends after its cleanup hooks, in an order
    /// that is not known: Bun.
    Unordered,
    /// By the collector in the middle of its work, in any thread, where the runtime takes no word: Deno. In return
    /// the end of an environment calls none of a store that another thread holds, so that what is finalized is gone.
    ByCollector,
}

/// The control blocks of an environment that have a block, the oldest first.
#[derive(Default)]
struct Held {
    controls: Vec<Arc<Control>>,
    /// How many of them, from the start, are older than the last turn of the event loop.
    turned: usize,
}

impl Held {
    /// Drops those from the list whose block is gone.
    fn prune(&mut self) {
        let before = self.turned;
        let mut index = 0;
        self.controls.retain(|control| {
            let kept = control.has_block();
            self.turned -= usize::from(index < before && !kept);
            index += 1;
            kept
        });
    }
}

/// The backing stores of an environment.
pub(crate) struct Stores {
    held: RefCell<Held>,
    /// How many to hold before those that are gone are dropped from the list.
    prune_at: Cell<usize>,
    /// Whether the blocks of `ArrayBuffer`s are freed without waiting for the event loop.
    swept: bool,
    /// A strong reference to the sentinel, or null.
    pub(crate) sentinel: Cell<sys::napi_ref>,
    /// The sentinel's number. Those before it die an ordinary death.
    current: Cell<u64>,
    /// How many sentinels there were.
    count: Cell<u64>,
    /// Whether the environment goes down: the sentinel was finalized, or the cleanup hook called.
    ending: Cell<bool>,
    finalizers: Finalizers,
    /// Whether the environment ends with the process: then nothing needs to be told apart at its end.
    pub(crate) ends_with_process: Cell<bool>,
}

/// What a sentinel's finalizer is given.
struct Sentinel {
    environment: Rc<Environment>,
    number: u64,
}

impl Stores {
    /// `swept` says whether the blocks of `ArrayBuffer`s may be freed without waiting for the event loop.
    pub(crate) fn new(finalizers: Finalizers, swept: bool) -> Self {
        Self {
            held: RefCell::default(),
            prune_at: Cell::new(64),
            swept: swept && finalizers != Finalizers::ByCollector,
            sentinel: Cell::new(ptr::null_mut()),
            current: Cell::new(0),
            count: Cell::new(0),
            ending: Cell::new(false),
            finalizers,
            ends_with_process: Cell::new(false),
        }
    }

    /// Whether a finalizer must not say a word to the runtime, as the collector calls it.
    pub(crate) fn end_in_collector(&self) -> bool {
        self.finalizers == Finalizers::ByCollector
    }

    /// Whether `ArrayBuffer`s are kept and listed, as somebody looks at them: a sweep, or the end of the environment.
    pub(crate) fn are_swept(&self) -> bool {
        self.swept || !self.end_is_clear()
    }

    /// Whether a sweep frees the blocks of dead `ArrayBuffer`s.
    pub(super) fn sweeps_free(&self) -> bool {
        self.swept
    }

    /// The control blocks that have a block.
    pub(super) fn controls(&self) -> Vec<Arc<Control>> {
        let mut held = self.held.borrow_mut();
        held.prune();
        held.controls.clone()
    }

    /// Those that were made since this was last asked for, as the event loop turned.
    fn turn(&self) -> Vec<Arc<Control>> {
        let mut held = self.held.borrow_mut();
        let new = held.controls[held.turned..].to_vec();
        held.turned = held.controls.len();
        new
    }

    /// Notes, as the environment begins to go down, which bytes never left their `ArrayBuffer`s.
    pub(super) fn end(&self, env: sys::napi_env) {
        if !self.ending.replace(true) {
            for control in self.held.take().controls {
                control.note_end(env);
            }
        }
    }

    /// Whether nothing needs to be told apart as the environment ends: not whether bytes were moved away.
    fn end_is_clear(&self) -> bool {
        self.ends_with_process.get() || self.end_in_collector()
    }

    /// Whether a backing store that is finalized now has come to its end, as its environment has not: the
    /// sentinel, or the cleanup hook, would have been first.
    pub(crate) fn end_by_themselves(&self) -> bool {
        let would_know = match self.finalizers {
            Finalizers::Ordered => !self.sentinel.get().is_null(),
            Finalizers::Unordered => true,
            Finalizers::ByCollector => false,
        };
        would_know && !self.ends_with_process.get() && !self.ending.get()
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

/// Says that the event loop has turned: from now on the `ArrayBuffer`s that were made since it last did can be collected
/// as any others. Until then each is kept, so that in a stretch without turns a sweep can tell which of them nobody has
/// any more. To be called once after `Slot.buffer` was, as soon as the event loop turns.
#[napi]
pub fn weaken_buffers(env: Env) -> napi::Result<()> {
    let environment = Environment::of(env.raw()).map_err(|failure| failure.thrown(env.raw()))?;
    // A thread can be ended at any moment, and what has just been collected could not be told apart then: only a sweep
    // lets go of what it has.
    if environment.stores.ends_with_process.get() {
        for control in environment.stores.turn() {
            control.weaken(env.raw());
        }
    }
    Ok(())
}

impl Environment {
    /// Watches the store of a view that was just made. If that fails, nobody may get its `ArrayBuffer`.
    pub(crate) fn watch_store(self: &Rc<Self>, env: sys::napi_env, view: &View) -> Outcome<()> {
        let stores = &self.stores;
        if !stores.are_swept() {
            return Ok(());
        }
        if stores.finalizers == Finalizers::Ordered && !stores.end_is_clear() {
            let sentinel = self.create_sentinel(env)?;
            let old = stores.sentinel.replace(sentinel);
            if !old.is_null() {
                // SAFETY: the reference was just replaced, so that it is deleted once.
                unsafe { sys::napi_delete_reference(env, old) };
            }
        }
        let mut held = stores.held.borrow_mut();
        if held.controls.len() >= stores.prune_at.get() {
            held.prune();
            stores.prune_at.set(held.controls.len() * 2 + 64);
        }
        held.controls.push(Arc::clone(&view.0));
        Ok(())
    }

    /// A strong reference to an `ArrayBuffer` over nothing of ours.
    fn create_sentinel(self: &Rc<Self>, env: sys::napi_env) -> Outcome<sys::napi_ref> {
        static BYTE: u8 = 0;
        let mut value = ptr::null_mut();
        let mut reference = ptr::null_mut();
        // A number is not used again, even if the runtime fails below.
        let number = self.stores.count.get() + 1;
        self.stores.count.set(number);
        let sentinel = Box::new(Sentinel { environment: Rc::clone(self), number });
        let hint = Box::into_raw(sentinel).cast::<c_void>();
        let byte = (&raw const BYTE).cast_mut().cast::<c_void>();
        // SAFETY: nobody gets the `ArrayBuffer`, so that nobody writes to the byte; the hint is the
        // finalizer's. Should the runtime fail, it stays: a finalizer that comes late must find it.
        unsafe {
            check(sys::napi_create_external_arraybuffer(env, byte, 1, Some(sentinel_ends), hint, &raw mut value))?;
            check(sys::napi_create_reference(env, value, 1, &raw mut reference))?;
        }
        self.stores.current.set(number);
        Ok(reference)
    }
}

unsafe extern "C" fn sentinel_ends(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `create_sentinel` left the box to this finalizer, which is called once.
        let Sentinel { environment, number } = *unsafe { Box::from_raw(hint.cast::<Sentinel>()) };
        let stores = &environment.stores;
        if number == stores.current.get() {
            stores.end(env);
        }
    }));
}
