//! Weak references, and how many of them are looked through.

use std::cell::Cell;
use std::ptr;

use napi::sys;

use super::failure::{Outcome, check};
use super::scope::in_scope;

/// How many references are looked at in one handle scope. What was looked at stays alive until the scope is closed.
const SCOPE: usize = 256;

/// A weak reference to an object. Unlike a `WeakRef`, it does not keep what is new alive until the end of the job, which a
/// synchronous loop does not reach.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weak(sys::napi_ref);

impl Weak {
    /// A reference to a value of the current scope. [`delete`](Self::delete) must end it.
    pub(crate) fn create(env: sys::napi_env, value: sys::napi_value) -> Outcome<Self> {
        let mut reference = ptr::null_mut();
        // SAFETY: `reference` is a place to write to, and the value is of the current scope.
        check(unsafe { sys::napi_create_reference(env, value, 0, &raw mut reference) })?;
        Ok(Self(reference))
    }

    /// The object; null if it was collected. `None` if the runtime does not tell.
    ///
    /// # Safety
    ///
    /// The reference must not have been deleted.
    pub(crate) unsafe fn target(self, env: sys::napi_env) -> Option<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: the caller says that the reference is there; `value` is a place to write to.
        let status = unsafe { sys::napi_get_reference_value(env, self.0, &raw mut value) };
        (status == sys::Status::napi_ok).then_some(value)
    }

    /// Ends the reference.
    ///
    /// # Safety
    ///
    /// It must not have been deleted before, and nobody may use a copy of it afterwards.
    pub(crate) unsafe fn delete(self, env: sys::napi_env) {
        // SAFETY: passed on from the caller.
        unsafe { sys::napi_delete_reference(env, self.0) };
    }
}

/// Visits each of these in a handle scope, some in each. Stops early if the runtime opens none any more.
pub(crate) fn in_scopes<T>(env: sys::napi_env, items: impl IntoIterator<Item = T>, mut visit: impl FnMut(T)) {
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        if in_scope(env, || items.by_ref().take(SCOPE).for_each(&mut visit)).is_none() {
            return;
        }
    }
}

/// When something is looked through again: as soon as it has grown by half since the last time, and by so much at least.
pub(crate) struct Growth {
    least: u64,
    at: Cell<u64>,
}

impl Growth {
    pub(crate) const fn new(least: u64) -> Self {
        Self { least, at: Cell::new(least) }
    }

    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        now >= self.at.get()
    }

    /// Everything was looked through, and so much is left.
    pub(crate) fn looked(&self, left: u64) {
        self.at.set(left + self.least.max(left / 2));
    }

    /// [`looked`](Self::looked), but not later than what was planned.
    pub(crate) fn looked_in_part(&self, left: u64) {
        self.at.set(self.at.get().min(left + self.least.max(left / 2)));
    }
}
