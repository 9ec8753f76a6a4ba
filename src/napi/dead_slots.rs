//! Which slots are alive: a weak reference to each tells at once whether the collector has found it dead.

use napi::sys;

use super::environment::Environment;
use super::node_api::weak::in_scopes;
use super::state::slot_table::State;
use super::state::slots::SlotRef;

/// Stops watching a slot: as its finalizer runs, or as it has nothing to do any more.
pub(super) fn unwatch(environment: &Environment, slot: SlotRef<'_>) {
    if let Some(weak) = slot.take_weak() {
        // SAFETY: the reference was just taken out of the slot's record, where all others find it.
        unsafe { weak.delete(environment.env) };
    }
}

/// Whether the collector has found a slot dead that has a block, and its finalizer has not run.
pub(super) fn is_dead(environment: &Environment, slot: SlotRef<'_>) -> bool {
    // An idle entry has nothing to free, and there may be many: they are not looked at.
    if matches!(slot.state(), State::Idle | State::Vacant) {
        return false;
    }
    // SAFETY: `unwatch` deletes no reference that is still in the slot's record.
    slot.weak().and_then(|weak| unsafe { weak.target(environment.env) }).is_some_and(sys::napi_value::is_null)
}

/// Calls `visit` for each slot that [`is_dead`].
pub(super) fn for_each_dead<'a>(environment: &'a Environment, mut visit: impl FnMut(SlotRef<'a>)) {
    in_scopes(environment.env, environment.slots.all(), |slot| {
        if is_dead(environment, slot) {
            visit(slot);
        }
    });
}
