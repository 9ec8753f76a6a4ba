//! The sweep of blocks that have an `ArrayBuffer`, without waiting for the event loop.
//!
//! The runtime calls the finalizer of a backing store between turns of the event loop only, and a weak reference to an
//! `ArrayBuffer` that is gone does not tell whether its bytes had been moved to another before. So each `ArrayBuffer` is
//! kept by a strong reference until the event loop turns. A sweep looks at all of them: it notes which still have their
//! bytes, lets go of the references, and collects garbage, all in one native call. No JavaScript runs between the look
//! and the collection; so if an `ArrayBuffer` is gone then, its bytes were not moved away, and nobody can reach them.
//!
//! That holds because Node keeps no backing store without the object of its `ArrayBuffer`, or of a view of it, wherever
//! it uses the bytes later. An addon of V8's own interface can do so: for that, `CMALLOC_VIEW_SWEEP=0` turns this off.

use std::sync::Arc;

use napi::sys;

use super::environment::Environment;
use super::ownership;
use super::scope::in_scope;
use super::sweep::{COLLECTIONS, SCOPE};
use super::table::{State, add};
use super::view::Control;

/// An `ArrayBuffer` that had its bytes as it was looked at.
struct Candidate {
    control: Arc<Control>,
    /// Whether it was kept from being collected until then.
    was_held: bool,
}

impl Environment {
    /// Frees the blocks whose `ArrayBuffer` nobody has any more, if their slot is dead too or has let go of them. Returns
    /// whether it has collected garbage for that.
    #[cold]
    pub(super) fn sweep_views(&self, env: sys::napi_env) -> bool {
        if !self.stores.sweeps_free() {
            return false;
        }
        let mut has_collected = false;
        // The first collection may end one that had begun before, and which keeps what was made since.
        for _ in 0..COLLECTIONS {
            let candidates = self.release_all(env);
            if candidates.is_empty() {
                break;
            }
            self.nudge(env);
            has_collected = true;
            if self.end_collected(env, &candidates) {
                break;
            }
        }
        self.note_swept();
        has_collected
    }

    /// Lets every `ArrayBuffer` be collected. Returns those that have their bytes.
    fn release_all(&self, env: sys::napi_env) -> Vec<Candidate> {
        let controls = self.stores.controls();
        let mut candidates = Vec::with_capacity(controls.len());
        for some in controls.chunks(SCOPE) {
            in_scope(env, || {
                for control in some.iter().filter(|control| control.is_attached_here(env)) {
                    candidates.push(Candidate { control: Arc::clone(control), was_held: control.weaken(env) });
                }
            });
        }
        candidates
    }

    /// Ends the blocks of those `ArrayBuffer`s that were collected, and keeps the others as they were kept. Returns
    /// whether there were any.
    fn end_collected(&self, env: sys::napi_env, candidates: &[Candidate]) -> bool {
        let mut ended = false;
        for some in candidates.chunks(SCOPE) {
            in_scope(env, || {
                for Candidate { control, was_held } in some {
                    if control.is_collected(env) {
                        self.end_unreachable(env, control);
                        ended = true;
                    } else if *was_held {
                        control.hold(env);
                    }
                }
            });
        }
        ended
    }

    /// Ends a block whose `ArrayBuffer` had its bytes, and is gone; or gives it back to its slot, if that lives.
    fn end_unreachable(&self, env: sys::napi_env, control: &Arc<Control>) {
        let index = control.index();
        let is_lent = self.views.borrow().get(&index).is_some_and(|view| view.is_of(control));
        if !is_lent {
            let Some(block) = control.take_unreachable(env) else { return };
            // Nobody may be known to own it any more once C has it back.
            ownership::lock().remove_orphan(block.as_ptr().addr());
            drop(block);
            return;
        }
        let place = self.slots.place(index);
        self.views.borrow_mut().remove(&index);
        let Some(block) = control.take_unreachable(env) else { return self.forget(place) };
        if self.is_dead(env, index) && place.state() == State::Viewed {
            self.forget(place);
            drop(block);
            add(&self.slots.counters().collected_frees, 1);
            // The finalizer has nothing to do any more, and may come late.
            self.unwatch(env, index);
        } else {
            let block = block.into_block();
            self.report(env, super::lifecycle::signed(block.len()));
            place.reclaim(block);
        }
    }
}
