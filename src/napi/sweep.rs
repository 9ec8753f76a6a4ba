//! The sweep: freeing the blocks of dead slots without waiting for the event loop.
//!
//! The runtime runs finalizers between turns of the event loop. A synchronous loop that drops handles would pile up memory
//! until it ends; so each slot has a weak reference, which tells at once whether the collector has found the slot dead. When
//! an environment's bytes or slots have grown by a part since the last sweep, the blocks of the dead are freed; their late
//! finalizers find nothing to do.
//!
//! Blocks that have an `ArrayBuffer` have a sweep of their own, [`view_sweep`](super::view_sweep). It runs when dead slots
//! have much memory under `ArrayBuffer`s, or when live bytes have grown much although the dead were freed.

use super::dead_slots::{for_each_dead, unwatch};
use super::environment::Environment;
use super::state::control_block::ControlBlock;
use super::state::slot_table::State;
use super::state::slots::SlotRef;
use super::state::sweep_schedule::{BYTES, weight};
use super::view_sweep::sweep_views;

/// Frees the blocks of all slots that the collector has found dead. `new` is the length of the block whose arrival led to
/// this. It does not count as growth.
#[cold]
pub(super) fn sweep(environment: &Environment, new: usize) {
    let under_views = sweep_slots(environment);
    let is_undecided = environment.schedule.undecided.is_due(live_bytes(environment) - new as u64);
    if under_views >= BYTES || is_undecided {
        sweep_all(environment);
    } else {
        environment.schedule.undecided.looked_in_part(live_bytes(environment));
        swept(environment);
    }
}

/// Frees the blocks of dead slots and looks at every `ArrayBuffer`; collects garbage in any case.
pub(super) fn sweep_all(environment: &Environment) {
    if !sweep_views(environment) {
        environment.force_collection();
    }
    // The collection has found slots dead, too.
    sweep_slots(environment);
    environment.schedule.undecided.looked(live_bytes(environment));
    swept(environment);
}

fn swept(environment: &Environment) {
    environment.schedule.bytes.looked(live_bytes(environment));
    environment.schedule.slots.looked(environment.slots.watched());
}

/// Frees the blocks of the slots that the collector has found dead, but for those that an `ArrayBuffer` may still have.
/// Returns the weight of these.
fn sweep_slots(environment: &Environment) -> u64 {
    let mut under_views = 0;
    for_each_dead(environment, |slot| match (slot.state(), slot.parts()) {
        (State::Live, _) => {
            free_collected(environment, slot);
            // The finalizer has nothing to do any more, and may come late.
            unwatch(environment, slot);
        }
        (State::Viewed, Some((_, len))) => {
            if slot.view().is_some_and(|view| view.store_is_held()) {
                under_views += weight(len);
            } else {
                // Its store has ended: where the runtime calls the finalizer of that from its collector (Deno), long before
                // the slot's.
                slot.leave_to_store(ControlBlock::orphan_silently);
                environment.slots.counters().collected_frees.add(1);
                unwatch(environment, slot);
            }
        }
        _ => {}
    });
    under_views
}

/// Frees the block of a dead slot.
pub(super) fn free_collected(environment: &Environment, slot: SlotRef<'_>) {
    if let Some(block) = slot.take() {
        let len = block.len();
        drop(block);
        environment.slots.counters().collected_frees.add(1);
        environment.report_removed(len);
    }
}

pub(super) fn live_bytes(environment: &Environment) -> u64 {
    environment.slots.counters().live_bytes.get()
}
