//! What belongs to one environment: a thread, or a context of it, that loaded the addon.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::rc::{self, Rc};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use napi::sys;

use super::node_api::captured::{Captured, is_runtime};
use super::node_api::event_loop::EventLoop;
use super::node_api::failure::{Failure, Outcome, check};
use super::node_api::scope::in_scope;
use super::state::backing_stores::BackingStores;
use super::state::caches::{Cache, Cached};
use super::state::registry;
use super::state::share::LeftBytes;
use super::state::slots::Slots;
use super::state::store_ends::{Finalizers, StoreEnds};
use super::state::sweep_schedule::SweepSchedule;

/// V8 is told when this many unreported bytes have come together, and not of every small block.
const REPORT_FROM: i64 = 64 << 10;

/// V8 collects at once when native memory has grown by half of its heap's limit, which the user can set. This is more.
const OVER_ANY_LIMIT: i64 = 1 << 40;

/// An environment's slots and what they need. Held by the environment's instance data, by every slot and by the raw calls:
/// whichever the runtime finalizes last.
pub(crate) struct Environment {
    /// What the runtime knows the environment by. It is used only inside of a call, a finalizer or a hook that the runtime
    /// makes with it, and so while it is valid.
    pub(crate) env: sys::napi_env,
    pub(crate) slots: Slots,
    pub(crate) stores: Rc<BackingStores>,
    pub(crate) event_loop: EventLoop,
    pub(crate) schedule: SweepSchedule,
    /// What was left to `SharedArrayBuffer`s.
    pub(crate) left: Arc<LeftBytes>,
    /// What else must end with the environment, where the runtime does not finalize it then.
    pub(crate) others: RefCell<Vec<Weak<dyn EndsWithEnvironment>>>,
    /// `ArrayBuffer.prototype.transfer`; none before Node 21.
    pub(crate) transfer: Captured,
    /// `Bun.gc`; none elsewhere.
    bun_gc: Captured,
    /// How often the raw calls were handed out: each time to another owner.
    pub(crate) owners: Cell<u32>,
    /// The caches of the evaluations of `lib/` in this environment.
    caches: RefCell<Vec<rc::Weak<Cache>>>,
    /// What those counted that are gone.
    past_caches: Cell<Cached>,
    /// Bytes that V8 has not been told of yet.
    unreported: Cell<i64>,
}

/// What has memory of an environment beside its slots.
pub(crate) trait EndsWithEnvironment {
    /// Gives back what can be, without a call into the runtime.
    fn give_back(&self);
}

impl Environment {
    /// Sets the environment up as it loads the addon.
    pub(crate) fn create(env: sys::napi_env) -> Outcome<Rc<Self>> {
        /// Sets the keys of environments apart.
        static FIRST_GENERATION: AtomicU32 = AtomicU32::new(1);
        const DISTANCE: u32 = 1_000_003;

        let (finalizers, bun_gc) = if is_runtime(env, c"bun")? {
            (Finalizers::Unordered, Captured::look_up(env, &[c"Bun", c"gc"])?)
        } else if is_runtime(env, c"deno")? {
            (Finalizers::ByCollector, Captured::none())
        } else {
            (Finalizers::Ordered, Captured::none())
        };
        let environment = Rc::new(Self {
            env,
            slots: Slots::new(FIRST_GENERATION.fetch_add(DISTANCE, Ordering::Relaxed)),
            stores: Rc::new(BackingStores::new(StoreEnds::new(finalizers, view_sweep_is_on()))),
            event_loop: EventLoop::new(finalizers == Finalizers::Ordered),
            schedule: SweepSchedule::new(),
            left: Arc::default(),
            others: RefCell::default(),
            transfer: Captured::transfer(env)?,
            bun_gc,
            owners: Cell::new(0),
            caches: RefCell::default(),
            past_caches: Cell::default(),
            unreported: Cell::new(0),
        });
        registry::add(environment.slots.table());
        let data = Rc::into_raw(Rc::clone(&environment)).cast_mut().cast::<c_void>();
        // SAFETY: `data` stays valid until `finalize`, which gives the count up that is held here.
        let status = unsafe { sys::napi_set_instance_data(env, data, Some(finalize), ptr::null_mut()) };
        check(status).inspect_err(|_| {
            // SAFETY: the runtime did not take the count.
            drop(unsafe { Rc::from_raw(data.cast::<Self>()) });
        })?;
        Ok(environment)
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
        // SAFETY: only `create` sets this addon's instance data, to a counted pointer. `finalize` gives the count up, after
        // the last call from JavaScript.
        unsafe {
            Rc::increment_strong_count(environment);
            Ok(Rc::from_raw(environment))
        }
    }

    /// Notes a cache of this environment's slots.
    pub(crate) fn add_cache(&self, cache: &Rc<Cache>) {
        self.caches.borrow_mut().push(Rc::downgrade(cache));
    }

    /// Notes that a cache is gone.
    pub(crate) fn remove_cache(&self, cache: &Cache) {
        self.past_caches.set(self.past_caches.get().and(cache.counts().as_left()));
        self.caches.borrow_mut().retain(|known| known.strong_count() > 0 && !ptr::eq(known.as_ptr(), cache));
    }

    /// Whether a cache of this environment has blocks, and was not asked for them yet.
    pub(crate) fn may_give_up_cache(&self) -> bool {
        self.caches.borrow().iter().filter_map(rc::Weak::upgrade).any(|cache| cache.may_give_up())
    }

    /// If there is such a cache, asks all of them, also those that are empty: which of them belongs to the caller, who then
    /// tries again, is not known here.
    pub(crate) fn ask_caches(&self) {
        if self.may_give_up_cache() {
            self.caches.borrow().iter().filter_map(rc::Weak::upgrade).for_each(|cache| cache.ask());
        }
    }

    /// Notes, as the environment ends, that nobody uses its caches any more.
    pub(crate) fn end_caches(&self) {
        for cache in self.caches.borrow().iter().filter_map(rc::Weak::upgrade) {
            cache.end();
        }
    }

    /// What the caches of this environment have counted.
    pub(crate) fn cached(&self) -> Cached {
        let caches = self.caches.borrow();
        caches
            .iter()
            .filter_map(rc::Weak::upgrade)
            .map(|cache| cache.counts())
            .fold(self.past_caches.get(), Cached::and)
    }

    /// Tells V8, now or soon, that so many bytes outside of its heap came: that is what makes it collect handles at all.
    ///
    /// Each block that has no `ArrayBuffer` is reported, in the environment of its slot, and taken back there once. Bytes
    /// under an `ArrayBuffer` are counted by V8 itself. Those under a `SharedArrayBuffer` are not: what is left to one stays
    /// reported, and is taken back after it has ended.
    #[inline]
    pub(crate) fn report_added(&self, len: usize) {
        self.report(signed(len));
    }

    /// Tells V8, now or soon, that so many bytes of what was reported went.
    #[inline]
    pub(crate) fn report_removed(&self, len: usize) {
        self.report(-signed(len));
    }

    /// Tells V8 of a block that is longer or shorter now: in one report, as a large one makes V8 collect garbage at once.
    pub(crate) fn report_resized(&self, old: usize, new: usize) {
        self.report(signed(new) - signed(old));
    }

    #[inline]
    fn report(&self, bytes: i64) {
        let unreported = self.unreported.get() + bytes;
        self.unreported.set(unreported);
        if unreported.abs() >= REPORT_FROM {
            self.flush_report();
        }
    }

    /// Tells V8 of what it has not been told yet. Returns what it has been told in all.
    pub(crate) fn flush_report(&self) -> i64 {
        let mut total = 0;
        let bytes = self.unreported.replace(0) + self.left.take_unreported();
        // SAFETY: `total` is a place to write to.
        unsafe { sys::napi_adjust_external_memory(self.env, bytes, &raw mut total) };
        total
    }

    /// Forces a collection at once, by telling V8 of memory that is not there. Bun takes no notice, but can be asked.
    pub(crate) fn force_collection(&self) {
        let mut total = 0;
        self.flush_report();
        if !self.bun_gc.is_none() {
            self.call_bun_gc();
        }
        // SAFETY: `total` is a place to write to. What is added is taken back: it never falls below zero.
        unsafe {
            sys::napi_adjust_external_memory(self.env, OVER_ANY_LIMIT, &raw mut total);
            sys::napi_adjust_external_memory(self.env, -OVER_ANY_LIMIT, &raw mut total);
        }
    }

    /// `Bun.gc(true)`, which returns when everything is collected.
    fn call_bun_gc(&self) {
        in_scope(self.env, || {
            let mut global = ptr::null_mut();
            let mut synchronous = ptr::null_mut();
            // SAFETY: every place to write to is a local.
            unsafe {
                sys::napi_get_global(self.env, &raw mut global);
                sys::napi_get_boolean(self.env, true, &raw mut synchronous);
            }
            self.bun_gc.call(self.env, global, synchronous);
        });
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        registry::remove(self.slots.table());
    }
}

/// A length as a signed number: no block is longer than `isize::MAX`.
fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// Whether sweeps may free dropped blocks that have an `ArrayBuffer`. On, unless `CMALLOC_VIEW_SWEEP=0`.
fn view_sweep_is_on() -> bool {
    std::env::var_os("CMALLOC_VIEW_SWEEP").is_none_or(|value| value != "0")
}

unsafe extern "C" fn finalize(env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the count that `create` left to the instance data is given up here, once.
    let environment = unsafe { Rc::from_raw(data.cast::<Environment>().cast_const()) };
    environment.flush_report();
    environment.transfer.delete(env);
    environment.bun_gc.delete(env);
    environment.stores.replace_sentinel(env, ptr::null_mut());
}
