//! The sweep of blocks that have an `ArrayBuffer`, without waiting for the event loop.
//!
//! The runtime calls the finalizer of a backing store between turns of the event loop only, and a weak reference to an
//! `ArrayBuffer` that is gone does not tell whether its bytes had been moved to another before. So each `ArrayBuffer` is
//! kept by a strong reference until the event loop turns. A sweep looks at all of them: it notes which still have their
//! bytes, weakens the references, and collects garbage, all in one native call. No JavaScript runs between the look and the
//! collection; so if an `ArrayBuffer` is gone then, its bytes were not moved away, and nobody can reach them.
//!
//! That holds because Node keeps no backing store without the object of its `ArrayBuffer`, or of a view of it, wherever it
//! uses the bytes later. An addon that uses V8's C++ API can: for that, `CMALLOC_VIEW_SWEEP=0` turns this off.

use std::sync::Arc;

use super::dead_slots::{is_dead, unwatch};
use super::environment::Environment;
use super::node_api::weak::in_scopes;
use super::state::control_block::ControlBlock;
use super::state::owned_addresses;
use super::state::slot_table::State;
use super::state::sweep_schedule::weight;

/// How often garbage is collected for one request. The first time may only finish a collection that was already running. That
/// one keeps objects that were made since it began.
pub(super) const COLLECTIONS: u32 = 2;

/// An `ArrayBuffer` that had its bytes as it was looked at.
struct Candidate {
    control: Arc<ControlBlock>,
    /// Whether it was kept from being collected until then.
    was_strong: bool,
}

/// Frees the blocks whose `ArrayBuffer` nobody has any more, if their slot is dead too or has let go of them. Returns
/// whether it has collected garbage for that.
#[cold]
pub(super) fn sweep_views(environment: &Environment) -> bool {
    if !environment.stores.ends.are_swept() {
        return false;
    }
    let mut has_collected = false;
    for _ in 0..COLLECTIONS {
        let candidates = weaken_all(environment);
        if candidates.is_empty() {
            break;
        }
        environment.force_collection();
        has_collected = true;
        if end_collected(environment, &candidates) {
            break;
        }
    }
    environment.schedule.let_go.swept(weight_of_orphans(environment), environment.stores.ends.are_with_process());
    has_collected
}

/// The weight of what has left its slot, and is not known to have ended.
pub(super) fn weight_of_orphans(environment: &Environment) -> u64 {
    environment.stores.controls().iter().filter_map(|control| control.orphaned_len()).map(weight).sum()
}

/// Lets every `ArrayBuffer` be collected. Returns those that have their bytes.
fn weaken_all(environment: &Environment) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    in_scopes(environment.env, environment.stores.controls(), |control| {
        if control.is_attached(environment.env) {
            let was_strong = control.weaken(environment.env);
            candidates.push(Candidate { control, was_strong });
        }
    });
    candidates
}

/// Ends the blocks of those `ArrayBuffer`s that were collected, and keeps the others as they were kept. Returns whether
/// there were any.
fn end_collected(environment: &Environment, candidates: &[Candidate]) -> bool {
    let mut ended = false;
    in_scopes(environment.env, candidates, |Candidate { control, was_strong }| {
        if control.is_collected(environment.env) {
            end_unreachable(environment, control);
            ended = true;
        } else if *was_strong {
            control.strengthen(environment.env);
        }
    });
    ended
}

/// Ends a block whose `ArrayBuffer` had its bytes, and is gone; or gives it back to its slot, if that lives.
fn end_unreachable(environment: &Environment, control: &Arc<ControlBlock>) {
    let slot = environment.slots.get(control.index());
    if !slot.is_lent_to(control) {
        let Some(block) = control.take_unreachable(environment.env) else { return };
        // Nobody may be known to own it any more once C has it back.
        owned_addresses::lock().remove_orphan(block.as_ptr().addr());
        return drop(block);
    }
    let Some(block) = control.take_unreachable(environment.env) else { return drop(slot.forget()) };
    if is_dead(environment, slot) && slot.state() == State::Viewed {
        drop(slot.forget());
        drop(block);
        environment.slots.counters().collected_frees.add(1);
        // The finalizer has nothing to do any more, and may come late.
        unwatch(environment, slot);
    } else {
        environment.report_added(block.len());
        slot.reclaim(block);
    }
}
