//! The end of an environment where a cleanup hook must hear of it, which is called before anything else ends: in Deno and
//! in Bun.
//!
//! Node finalizes every slot as a thread ends, and so its block is freed. Deno does not: what is left is freed from the
//! hook. Bun does, in no order that is known: the hook notes what is still where it was.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Weak};

use napi::sys;

use super::environment::Environment;
use super::failure::{Outcome, check};
use super::table::{State, add};
use super::view::View;
use crate::Pool;

/// What the cleanup hook is given.
struct Hook {
    environment: Rc<Environment>,
    env: sys::napi_env,
}

/// What has memory of an environment beside its slots.
pub(super) trait EndsAlong {
    /// Gives back what can be, without a word to the runtime.
    fn end(&self);
}

impl EndsAlong for Pool {
    fn end(&self) {
        self.close();
    }
}

impl Environment {
    /// Has the cleanup hook called as the environment ends.
    pub(super) fn hear_of_end(self: &Rc<Self>, env: sys::napi_env) -> Outcome<()> {
        let hint = Box::into_raw(Box::new(Hook { environment: Rc::clone(self), env })).cast::<c_void>();
        // SAFETY: the hint stays valid until the hook takes it.
        check(unsafe { sys::napi_add_env_cleanup_hook(env, Some(environment_ends), hint) }).inspect_err(|_| {
            // SAFETY: the runtime did not take it.
            drop(unsafe { Box::from_raw(hint.cast::<Hook>()) });
        })
    }

    /// Ends something as the environment ends, if the runtime does not finalize it then.
    pub(super) fn end_along<T: EndsAlong + 'static>(&self, what: &Arc<T>) {
        if self.stores.end_in_collector() {
            let mut left = self.left.borrow_mut();
            left.retain(|known| known.strong_count() > 0);
            left.push(Arc::downgrade(what) as Weak<dyn EndsAlong>);
        }
    }

    /// Frees the blocks that are left. Without a word to the runtime, which takes none any more.
    fn free_all(&self) {
        for index in self.slots.indices() {
            let place = self.slots.place(index);
            match place.state() {
                State::Live => drop(self.take(place)),
                // Its backing store may be in another thread by now. Whenever that ends, it frees it.
                State::Viewed => {
                    let view = self.views.borrow_mut().remove(&index);
                    let last = view.and_then(View::leave);
                    self.forget(place);
                    drop(last);
                }
                State::Idle | State::Vacant | State::Changing => continue,
            }
            add(&self.slots.counters().collected_frees, 1);
        }
        for what in self.left.take().iter().filter_map(Weak::upgrade) {
            what.end();
        }
    }
}

unsafe extern "C" fn environment_ends(hint: *mut c_void) {
    // Nothing here panics; if it did, then not into the runtime.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `hear_of_end` left the box to this hook, which is called once.
        let Hook { environment, env } = *unsafe { Box::from_raw(hint.cast::<Hook>()) };
        // With the process all of it ends by itself.
        if environment.stores.ends_with_process.get() {
            return;
        }
        if environment.stores.end_in_collector() {
            environment.free_all();
        } else {
            environment.stores.end(env);
        }
    }));
}
