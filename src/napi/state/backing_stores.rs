//! Which backing stores an environment has, and what is still where it was as the environment ends.
//!
//! Node finalizes every `ArrayBuffer` as an environment goes down, the youngest first, and detaches each before it calls its
//! finalizer, which then cannot tell any more whether the bytes had been moved to another thread before. So we keep one more
//! `ArrayBuffer`, the **sentinel**, younger than all over blocks. Only the end of the environment finalizes it, and it comes
//! first: at that moment the others are unchanged. A store that is finalized earlier has really ended.
//!
//! One case is left that cannot be told apart: handle and `ArrayBuffer` were dropped and have just been collected, and the
//! backing store is not freed yet. Such a block leaks as the environment ends.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::sys;

use super::control_block::ControlBlock;
use super::store_ends::{Finalizers, StoreEnds};
use crate::napi::node_api::failure::{Outcome, check};

/// The backing stores of an environment.
pub(crate) struct BackingStores {
    pub(crate) ends: Arc<StoreEnds>,
    held: RefCell<Held>,
    /// How many to hold before those that are gone are dropped from the list.
    prune_at: Cell<usize>,
    /// A strong reference to the sentinel, or null.
    sentinel: Cell<sys::napi_ref>,
    /// The sentinel's number. The end of an older one means only that it was replaced.
    current: Cell<u64>,
    /// How many sentinels there were.
    count: Cell<u64>,
}

/// The control blocks of an environment that have a block, the oldest first.
#[derive(Default)]
struct Held {
    controls: Vec<Arc<ControlBlock>>,
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

/// What a sentinel's finalizer is given.
struct Sentinel {
    stores: Rc<BackingStores>,
    number: u64,
}

impl BackingStores {
    pub(crate) fn new(ends: StoreEnds) -> Self {
        Self {
            ends: Arc::new(ends),
            held: RefCell::default(),
            prune_at: Cell::new(64),
            sentinel: Cell::new(ptr::null_mut()),
            current: Cell::new(0),
            count: Cell::new(0),
        }
    }

    /// The control blocks that have a block.
    pub(crate) fn controls(&self) -> Vec<Arc<ControlBlock>> {
        let mut held = self.held.borrow_mut();
        held.prune();
        held.controls.clone()
    }

    /// The control blocks that were made since the last call. To be called when the event loop turns.
    pub(crate) fn turn(&self) -> Vec<Arc<ControlBlock>> {
        let mut held = self.held.borrow_mut();
        let new = held.controls[held.turned..].to_vec();
        held.turned = held.controls.len();
        new
    }

    /// Notes, as the environment begins to go down, which bytes never left their `ArrayBuffer`s.
    pub(crate) fn note_teardown(&self, env: sys::napi_env) {
        if !self.ends.begin_teardown() {
            for control in self.held.take().controls {
                control.note_teardown(env);
            }
        }
    }

    /// Watches the store of a control block that was just made. If that fails, nobody may get its `ArrayBuffer`.
    pub(crate) fn watch(self: &Rc<Self>, env: sys::napi_env, control: &Arc<ControlBlock>) -> Outcome<()> {
        if !self.ends.are_watched() {
            return Ok(());
        }
        if self.ends.finalizers == Finalizers::Ordered && !self.ends.are_clear() {
            let sentinel = self.create_sentinel(env)?;
            self.replace_sentinel(env, sentinel);
        }
        let mut held = self.held.borrow_mut();
        if held.controls.len() >= self.prune_at.get() {
            held.prune();
            self.prune_at.set(held.controls.len() * 2 + 64);
        }
        held.controls.push(Arc::clone(control));
        Ok(())
    }

    /// Puts a sentinel, or null, in the place of the one that there is.
    pub(crate) fn replace_sentinel(&self, env: sys::napi_env, sentinel: sys::napi_ref) {
        self.ends.set_has_sentinel(!sentinel.is_null());
        let old = self.sentinel.replace(sentinel);
        if !old.is_null() {
            // SAFETY: the reference was just replaced, so that it is deleted once.
            unsafe { sys::napi_delete_reference(env, old) };
        }
    }

    /// A strong reference to an `ArrayBuffer` over nothing of ours.
    fn create_sentinel(self: &Rc<Self>, env: sys::napi_env) -> Outcome<sys::napi_ref> {
        static BYTE: u8 = 0;
        let mut value = ptr::null_mut();
        let mut reference = ptr::null_mut();
        // A number is not used again, even if the runtime fails below.
        let number = self.count.get() + 1;
        self.count.set(number);
        let hint = Box::into_raw(Box::new(Sentinel { stores: Rc::clone(self), number })).cast::<c_void>();
        let byte = (&raw const BYTE).cast_mut().cast::<c_void>();
        // SAFETY: nobody gets the `ArrayBuffer`, so that nobody writes to the byte; the hint is the finalizer's. Should the
        // runtime fail, it stays: a finalizer that comes late must find it.
        unsafe {
            check(sys::napi_create_external_arraybuffer(env, byte, 1, Some(sentinel_ends), hint, &raw mut value))?;
            check(sys::napi_create_reference(env, value, 1, &raw mut reference))?;
        }
        self.current.set(number);
        Ok(reference)
    }
}

unsafe extern "C" fn sentinel_ends(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `create_sentinel` left the box to this finalizer, which is called once.
        let Sentinel { stores, number } = *unsafe { Box::from_raw(hint.cast::<Sentinel>()) };
        if number == stores.current.get() {
            stores.note_teardown(env);
        }
    }));
}
