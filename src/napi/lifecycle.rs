//! The life of a slot and of its block: made, and freed.
//!
//! Each function leaves the entry in a state that is whole before it calls into the runtime, which may collect garbage and
//! come back here.

use std::sync::Arc;

use napi::sys;

use super::dead_slots::unwatch;
use super::debug_checks::must_be_intact;
use super::environment::Environment;
use super::node_api::event_loop::User;
use super::node_api::failure::{Failure, Outcome};
use super::node_api::weak::Weak;
use super::retry::with_retries;
use super::state::counters::{Counter, Counters};
use super::state::pooled_block::PooledBlock;
use super::state::slot_table::State;
use super::state::slots::SlotRef;
use super::sweep::{free_collected, live_bytes, sweep};
use super::viewed::{abandon, recover_unreported, user_of, wipe_if_secure};
use crate::block::{Attributes, Init};
use crate::debug::Corruption;
use crate::{Block, Pool};

/// Makes an entry for a new slot, which the raw calls of its owner can name: `this` is its JavaScript object. Returns the
/// entry's number.
pub(super) fn open(environment: &Environment, owner: u32, this: sys::napi_value) -> Outcome<u32> {
    let index = environment.slots.occupy(owner).ok_or_else(|| Failure::out_of_range("There are too many slots"))?;
    let slot = environment.slots.get(index);
    slot.set_weak(Weak::create(environment.env, this).inspect_err(|_| slot.vacate())?);
    if environment.schedule.slots.is_due(environment.slots.watched()) {
        sweep(environment, 0);
    }
    Ok(index)
}

/// Ends a slot that was collected: frees its block, or leaves it to its `ArrayBuffer`.
pub(super) fn close(environment: &Environment, slot: SlotRef<'_>) {
    match slot.state() {
        State::Live => free_collected(environment, slot),
        State::Viewed => {
            // Whoever holds the ArrayBuffer may still use it.
            abandon(environment, slot, None);
            environment.slots.counters().collected_frees.add(1);
        }
        State::Idle | State::Vacant | State::Changing => {}
    }
    unwatch(environment, slot);
    slot.vacate();
}

/// Allocates a block into an idle slot.
#[inline]
pub(super) fn allocate(
    environment: &Environment,
    slot: SlotRef<'_>,
    len: usize,
    init: Init,
    attributes: Attributes,
) -> Outcome<()> {
    must_be_idle(slot)?;
    let block = with_retries(environment, || Block::allocate_at_once(len, init, attributes))?;
    put(environment, slot, block.into(), |counters| &counters.allocations);
    Ok(())
}

/// Allocates a block of a pool into an idle slot; it goes back there at its end.
pub(super) fn allocate_from(
    environment: &Environment,
    slot: SlotRef<'_>,
    pool: &Arc<Pool>,
    len: usize,
    init: Init,
) -> Outcome<()> {
    must_be_idle(slot)?;
    if pool.is_closed() {
        return Err(Failure::pool_closed());
    }
    let block = with_retries(environment, || pool.allocate(len, init))?;
    put(environment, slot, PooledBlock::new(block, Some(Arc::clone(pool))), |counters| &counters.allocations);
    Ok(())
}

/// Puts a block into an idle slot, and counts it by this counter.
#[inline]
pub(super) fn put(
    environment: &Environment,
    slot: SlotRef<'_>,
    block: PooledBlock,
    counter: impl FnOnce(&Counters) -> &Counter,
) {
    let len = block.len();
    slot.put(block);
    counter(environment.slots.counters()).add(1);
    environment.report_added(len);
    if environment.schedule.bytes.is_due(live_bytes(environment)) {
        sweep(environment, len);
    }
}

/// Frees the block at once, or gives it back to its pool. If somebody may be using its bytes it is let go; if it has
/// escaped, it is left to its `ArrayBuffer`. Returns for whom it was let go.
#[inline]
pub(super) fn free(environment: &Environment, slot: SlotRef<'_>) -> Outcome<Option<User>> {
    if slot.state() == State::Live {
        free_live(environment, slot)?;
        return Ok(None);
    }
    let user = user_of(environment, slot);
    free_viewed(environment, slot, user)?;
    Ok(user)
}

/// [`free`] for who knows that nobody is using the bytes.
pub(super) fn free_now(environment: &Environment, slot: SlotRef<'_>) -> Outcome<()> {
    if slot.state() == State::Live {
        return free_live(environment, slot);
    }
    free_viewed(environment, slot, None)
}

#[inline]
fn free_live(environment: &Environment, slot: SlotRef<'_>) -> Outcome<()> {
    let (_, len) = slot.parts().ok_or_else(Failure::freed)?;
    let freed = free_block(environment, slot);
    environment.report_removed(len);
    Ok(freed?)
}

/// Frees a block that has an `ArrayBuffer`, unless that must stay as it is. Bytes under an `ArrayBuffer` are not in our report
/// to V8. They are not added between detach and free either: a large report makes V8 collect garbage at once.
#[inline(never)]
fn free_viewed(environment: &Environment, slot: SlotRef<'_>, user: Option<User>) -> Outcome<()> {
    slot.parts().ok_or_else(Failure::freed)?;
    if user.is_none() && recover_unreported(environment, slot)? {
        return Ok(free_block(environment, slot)?);
    }
    let intact = must_be_intact(slot, "by free()");
    if user.is_some() || slot.is_shared() {
        wipe_if_secure(slot);
    }
    environment.slots.counters().explicit_frees.add(1);
    abandon(environment, slot, user);
    intact
}

/// Frees the block of a live entry, or gives it back to its pool.
#[inline]
fn free_block(environment: &Environment, slot: SlotRef<'_>) -> Result<(), Corruption> {
    let freed = slot.take().map_or(Ok(()), PooledBlock::end);
    environment.slots.counters().explicit_frees.add(1);
    freed
}

pub(super) fn must_be_idle(slot: SlotRef<'_>) -> Outcome<()> {
    if slot.state() == State::Idle { Ok(()) } else { Err(Failure::occupied()) }
}
