//! The end of an environment where a cleanup hook must hear of it, which is called before anything else ends: in Deno and
//! in Bun.
//!
//! Node finalizes every slot when a thread ends, and so its block is freed; how it tells then whether bytes were moved away is
//! in [`backing_stores`](super::state::backing_stores). Deno does not: what is left is freed from the hook. Bun does too, in an
//! unknown order: so the hook first notes which bytes are still under their own `ArrayBuffer`.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Weak};

use napi::sys;

use super::environment::{EndsWithEnvironment, Environment};
use super::node_api::failure::{Outcome, check};
use super::state::control_block::ControlBlock;
use super::state::slot_table::State;
use super::state::store_ends::Finalizers;

/// Has the cleanup hook called as the environment ends, where it is needed.
pub(super) fn watch(environment: &Rc<Environment>) -> Outcome<()> {
    if environment.stores.ends.finalizers == Finalizers::Ordered {
        return Ok(());
    }
    let hint = Rc::into_raw(Rc::clone(environment)).cast_mut().cast::<c_void>();
    // SAFETY: the hint stays valid until the hook takes it.
    check(unsafe { sys::napi_add_env_cleanup_hook(environment.env, Some(environment_ends), hint) }).inspect_err(|_| {
        // SAFETY: the runtime did not take it.
        drop(unsafe { Rc::from_raw(hint.cast::<Environment>().cast_const()) });
    })
}

/// Ends something as the environment ends, if the runtime does not finalize it then.
pub(super) fn end_with<T: EndsWithEnvironment + 'static>(environment: &Environment, what: &Arc<T>) {
    if environment.stores.ends.are_in_collector() {
        let mut others = environment.others.borrow_mut();
        others.retain(|known| known.strong_count() > 0);
        others.push(Arc::downgrade(what) as Weak<dyn EndsWithEnvironment>);
    }
}

/// Frees the blocks that are left. Without a call into the runtime, which takes none any more.
fn free_all(environment: &Environment) {
    for slot in environment.slots.all() {
        match slot.state() {
            State::Live => drop(slot.take()),
            // Its backing store may be in another thread by now. Whenever that ends, it frees it.
            State::Viewed => slot.leave_to_store(ControlBlock::orphan_silently),
            State::Idle | State::Vacant | State::Changing => continue,
        }
        environment.slots.counters().collected_frees.add(1);
    }
    for other in environment.others.take().iter().filter_map(Weak::upgrade) {
        other.give_back();
    }
}

unsafe extern "C" fn environment_ends(hint: *mut c_void) {
    // Nothing here panics; if it did, then not into the runtime.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `watch` left the count to this hook, which is called once.
        let environment = unsafe { Rc::from_raw(hint.cast::<Environment>().cast_const()) };
        let ends = &environment.stores.ends;
        // With the process all of it ends by itself.
        if ends.are_with_process() {
            ends.begin_teardown();
            return;
        }
        // The functions that have the caches are not finalized before the process ends.
        environment.end_caches();
        if ends.are_in_collector() {
            free_all(&environment);
        } else {
            environment.stores.note_teardown(environment.env);
        }
    }));
}
