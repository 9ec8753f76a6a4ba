//! The sweep: freeing the blocks of dead slots without waiting for the event loop.
//!
//! The runtime runs finalizers between turns of the event loop. A synchronous loop that drops handles
//! would pile up memory until it ends; so each slot has a weak reference, which tells at once whether
//! the collector has found the slot dead. When an environment's bytes or slots have grown by a part
//! since the last sweep, the blocks of the dead are freed; their late finalizers find nothing to do.
//!
//! A block that has an `ArrayBuffer` is looked at in a sweep of its own, [`view_sweep`](super::view_sweep): as soon as
//! much lies under those of dead slots, or nothing at all was found dead although much came.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::atomic::Ordering;

use napi::sys;

use super::environment::Environment;
use super::failure::{Failure, Outcome, check};
use super::ownership::Sum;
use super::scope::in_scope;
use super::table::{Place, State};
use super::view::call_captured;
use crate::{OutOfMemory, reclaim};

/// Bytes, and slots, by which an environment grows at least before it is swept.
pub(super) const BYTES: u64 = 128 << 20;
const SLOTS: usize = 16 << 10;

/// Bytes by which an environment grows before a sweep collects garbage by itself: V8 may have found no reason, or no time;
/// and an `ArrayBuffer` from which its own slot can be reached keeps that alive until it is let go of.
const UNDECIDED: u64 = 256 << 20;

/// What a block with an `ArrayBuffer` takes besides its bytes, until the event loop turns.
const OVERHEAD: u64 = 4096;

/// What a block with an `ArrayBuffer` weighs in the decision to sweep.
pub(super) fn weight(len: usize) -> u64 {
    len as u64 + OVERHEAD
}

/// How many references are looked at in one handle scope. What was looked at stays alive until the
/// scope is closed.
pub(super) const SCOPE: usize = 256;

/// More than V8 lets native memory grow before it collects garbage at once: half of its heap's limit,
/// which the user can set.
const NUDGE: i64 = 1 << 40;

/// How often garbage is collected before a request is refused. The first time may end a collection that
/// had begun before the last handles were made, and which keeps them.
pub(super) const COLLECTIONS: u32 = 2;

/// The weak references to an environment's slots, and when they are looked at next.
pub(crate) struct Sweeper {
    /// By the index of the slot's entry; null where there is none.
    slots: RefCell<Vec<sys::napi_ref>>,
    occupied: Cell<usize>,
    next_at_bytes: Cell<u64>,
    next_at_slots: Cell<usize>,
    undecided_at_bytes: Cell<u64>,
}

impl Sweeper {
    pub(crate) fn new() -> Self {
        Self {
            slots: RefCell::default(),
            occupied: Cell::new(0),
            next_at_bytes: Cell::new(BYTES),
            next_at_slots: Cell::new(SLOTS),
            undecided_at_bytes: Cell::new(UNDECIDED),
        }
    }

    /// Whether so many live bytes are a reason to sweep.
    #[inline]
    pub(crate) fn is_due(&self, live_bytes: u64) -> bool {
        live_bytes >= self.next_at_bytes.get()
    }

    fn reference(&self, index: u32) -> sys::napi_ref {
        self.slots.borrow().get(index as usize).copied().unwrap_or(ptr::null_mut())
    }

    fn take_reference(&self, index: u32) -> sys::napi_ref {
        self.slots
            .borrow_mut()
            .get_mut(index as usize)
            .map_or(ptr::null_mut(), |slot| std::mem::replace(slot, ptr::null_mut()))
    }
}

impl Environment {
    /// Watches a new slot: `this` is its JavaScript object.
    pub(crate) fn watch(&self, env: sys::napi_env, index: u32, this: sys::napi_value) -> Outcome<()> {
        let mut reference = ptr::null_mut();
        // SAFETY: `reference` is a place to write to.
        check(unsafe { sys::napi_create_reference(env, this, 0, &raw mut reference) })?;
        {
            let mut slots = self.sweeper.slots.borrow_mut();
            if slots.len() <= index as usize {
                slots.resize(index as usize + 1, ptr::null_mut());
            }
            slots[index as usize] = reference;
        }
        self.sweeper.occupied.set(self.sweeper.occupied.get() + 1);
        if self.sweeper.occupied.get() >= self.sweeper.next_at_slots.get() {
            self.sweep(env, 0);
        }
        Ok(())
    }

    /// Stops watching a slot, as its finalizer runs.
    pub(crate) fn unwatch(&self, env: sys::napi_env, index: u32) {
        let reference = self.sweeper.take_reference(index);
        if !reference.is_null() {
            self.delete_reference(env, reference);
        }
    }

    /// Frees the blocks of all slots that the collector has found dead. `new` are the bytes of the block for which this is
    /// done: no reason to look for others.
    #[cold]
    pub(crate) fn sweep(&self, env: sys::napi_env, new: usize) {
        let under_views = self.sweep_slots(env);
        let is_undecided = self.live_bytes() - new as u64 >= self.sweeper.undecided_at_bytes.get();
        if under_views >= BYTES || is_undecided {
            self.sweep_all(env);
        } else {
            self.swept();
        }
    }

    /// [`sweep`](Self::sweep), which looks at every `ArrayBuffer`, and collects garbage in any case.
    fn sweep_all(&self, env: sys::napi_env) {
        if !self.sweep_views(env) {
            self.nudge(env);
        }
        // The collection has found slots dead, too.
        self.sweep_slots(env);
        self.sweeper.undecided_at_bytes.set(u64::MAX);
        self.swept();
    }

    fn swept(&self) {
        let bytes = self.live_bytes();
        self.sweeper.next_at_bytes.set(bytes + BYTES.max(bytes / 2));
        let undecided_at = self.sweeper.undecided_at_bytes.get().min(bytes + UNDECIDED.max(bytes / 2));
        self.sweeper.undecided_at_bytes.set(undecided_at);
        let slots = self.sweeper.occupied.get();
        self.sweeper.next_at_slots.set(slots + SLOTS.max(slots / 2));
    }

    /// Frees the blocks of the slots that the collector has found dead, but for those that an `ArrayBuffer` may still
    /// have. Returns the weight of these.
    pub(super) fn sweep_slots(&self, env: sys::napi_env) -> u64 {
        let mut under_views = 0;
        self.for_each_dead(env, |environment, place| match (place.state(), place.parts()) {
            (State::Live, _) => {
                environment.free_collected(env, place);
                // The finalizer has nothing to do any more, and may come late.
                environment.unwatch(env, place.index());
            }
            (State::Viewed, Some((_, len))) => {
                if environment.has_store(place) {
                    under_views += weight(len);
                } else {
                    environment.free_collected_view(place);
                    environment.unwatch(env, place.index());
                }
            }
            _ => {}
        });
        under_views
    }

    fn live_bytes(&self) -> u64 {
        self.slots.counters().live_bytes.load(Ordering::Relaxed)
    }

    /// Runs what may be refused for want of memory; if it is, frees what pools retain and tries once more; then
    /// collects garbage, sweeps, and tries again.
    #[inline]
    pub(crate) fn with_last_chance<T>(
        &self,
        env: sys::napi_env,
        mut operation: impl FnMut() -> Result<T, OutOfMemory>,
    ) -> Outcome<T> {
        match operation() {
            Ok(value) => Ok(value),
            Err(refusal) => self.try_again(env, refusal, operation),
        }
    }

    #[cold]
    fn try_again<T>(
        &self,
        env: sys::napi_env,
        mut refusal: OutOfMemory,
        mut operation: impl FnMut() -> Result<T, OutOfMemory>,
    ) -> Outcome<T> {
        // What pools retain is not locked.
        if !matches!(refusal, OutOfMemory::Lock { .. }) && reclaim::free_retained() {
            match operation() {
                Ok(value) => return Ok(value),
                Err(again) => refusal = again,
            }
        }
        for _ in 0..COLLECTIONS {
            if !self.could_help(&refusal) {
                break;
            }
            self.sweep_all(env);
            // What was swept may have gone back to its pool.
            match reclaim::retry(&mut operation) {
                Ok(value) => return Ok(value),
                Err(again) => refusal = again,
            }
        }
        Err(self.refused(env, refusal))
    }

    /// Whether freeing everything that this environment has would be enough.
    fn could_help(&self, refusal: &OutOfMemory) -> bool {
        let bytes = self.live_bytes() + self.let_go.bytes();
        bytes > 0
            && match *refusal {
                OutOfMemory::Allocator { requested } => requested as u64 <= bytes,
                OutOfMemory::Machine { requested, available, reserve } => {
                    requested as u64 + reserve as u64 <= available.saturating_add(bytes)
                }
                OutOfMemory::Lock { requested, limit, .. } => {
                    limit.is_some_and(|limit| requested as u64 <= limit.min(bytes))
                }
                OutOfMemory::Limit { requested, live, limit } => {
                    (live as u64).saturating_sub(bytes) + requested as u64 <= limit as u64
                }
            }
    }

    /// The error for a refusal, which says what waits for an end that may come soon.
    fn refused(&self, env: sys::napi_env, refusal: OutOfMemory) -> Failure {
        let (dropped, let_go) = self.waiting(env);
        let mut failure = Failure::from(refusal);
        if let_go.blocks > 0 {
            failure = failure.with_hint(&format!(
                "{} bytes of {} freed blocks may still be in use by I/O in flight: await what uses their bytes, and let \
                 go of views of them",
                let_go.bytes, let_go.blocks
            ));
        }
        if dropped.blocks > 0 {
            failure = failure.with_hint(&format!(
                "{} bytes of {} dropped blocks wait for the finalizers of their ArrayBuffers, which run between turns of \
                 the event loop: call free(), declare them with `using`, or let the event loop turn",
                dropped.bytes, dropped.blocks
            ));
        }
        failure
    }

    /// Makes V8 collect garbage at once, by telling it of memory that is not there. Bun takes no notice,
    /// but can be asked.
    pub(super) fn nudge(&self, env: sys::napi_env) {
        let mut total = 0;
        self.flush_report(env);
        if !self.bun_gc.get().is_null() {
            self.call_bun_gc(env);
        }
        // SAFETY: `total` is a place to write to. What is added is taken back: it never falls below zero.
        unsafe {
            sys::napi_adjust_external_memory(env, NUDGE, &raw mut total);
            sys::napi_adjust_external_memory(env, -NUDGE, &raw mut total);
        }
    }

    /// `Bun.gc(true)`, which returns when everything is collected.
    fn call_bun_gc(&self, env: sys::napi_env) {
        in_scope(env, || {
            let mut global = ptr::null_mut();
            let mut synchronous = ptr::null_mut();
            // SAFETY: every place to write to is a local.
            unsafe {
                sys::napi_get_global(env, &raw mut global);
                sys::napi_get_boolean(env, true, &raw mut synchronous);
            }
            call_captured(env, global, self.bun_gc.get(), synchronous);
        });
    }

    /// What was dropped, and what was let go, and is held by an `ArrayBuffer` still.
    fn waiting(&self, env: sys::napi_env) -> (Sum, Sum) {
        let (orphans, let_go) = {
            let ownership = super::ownership::lock();
            (ownership.orphans(), ownership.let_go())
        };
        let mut dropped = Sum { blocks: orphans.blocks - let_go.blocks, bytes: orphans.bytes - let_go.bytes };
        self.for_each_dead(env, |_, place| {
            if let (State::Viewed, Some((_, len))) = (place.state(), place.parts()) {
                dropped.blocks += 1;
                dropped.bytes += len as u64;
            }
        });
        (dropped, let_go)
    }

    /// Calls `visit` for each slot that the collector has found dead and whose finalizer has not run.
    fn for_each_dead(&self, env: sys::napi_env, mut visit: impl FnMut(&Self, Place<'_>)) {
        let count = self.sweeper.slots.borrow().len();
        for start in (0..count).step_by(SCOPE) {
            let looked = in_scope(env, || {
                for index in start..(start + SCOPE).min(count) {
                    let Ok(index) = u32::try_from(index) else { break };
                    if self.is_dead(env, index) {
                        visit(self, self.slots.place(index));
                    }
                }
            });
            if looked.is_none() {
                return;
            }
        }
    }

    pub(super) fn is_dead(&self, env: sys::napi_env, index: u32) -> bool {
        let reference = self.sweeper.reference(index);
        // An idle entry has nothing to free, and there may be many: they are not looked at.
        if reference.is_null() || matches!(self.slots.place(index).state(), State::Idle | State::Vacant) {
            return false;
        }
        let mut value = ptr::null_mut();
        // SAFETY: the reference is deleted only when it is taken out of the list; `value` is a place to
        // write to.
        let status = unsafe { sys::napi_get_reference_value(env, reference, &raw mut value) };
        status == sys::Status::napi_ok && value.is_null()
    }

    fn delete_reference(&self, env: sys::napi_env, reference: sys::napi_ref) {
        self.sweeper.occupied.set(self.sweeper.occupied.get().saturating_sub(1));
        // SAFETY: the reference was just taken out of the list, so that it is deleted once.
        unsafe { sys::napi_delete_reference(env, reference) };
    }
}
