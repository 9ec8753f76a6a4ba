//! Blocks that change their owner: from C and to C, from one handle to another, from one thread to another.

use std::ptr::NonNull;

use super::debug_checks::{must_be_intact, must_be_plausible};
use super::environment::Environment;
use super::lifecycle::{must_be_idle, put};
use super::node_api::failure::{Failure, Outcome};
use super::resize;
use super::retry::with_retries;
use super::state::pooled_block::PooledBlock;
use super::state::slots::SlotRef;
use super::state::{owned_addresses, tickets};
use super::viewed::{has_escaped, recover};
use crate::{Block, Consumed};

/// Claims a foreign block: until [`end_consume`] nobody else can consume it. Refuses what [`consume`] would refuse now.
///
/// # Safety
///
/// As for [`Block::consume`]; a block that is owned already is found out and refused.
pub(super) unsafe fn begin_consume(environment: &Environment, start: NonNull<u8>, len: usize) -> Outcome<()> {
    let address = start.as_ptr().addr();
    if !owned_addresses::claim(address) {
        return Err(Failure::already_owned(address));
    }
    // SAFETY: the caller vouches for the block, and nobody else here owns or consumes it.
    must_be_plausible(start)
        .and_then(|()| with_retries(environment, || unsafe { Block::check_consume(start, len) }))
        .inspect_err(|_| end_consume(start))
}

/// Gives up what [`begin_consume`] claimed.
pub(super) fn end_consume(start: NonNull<u8>) {
    owned_addresses::lock().unclaim(start.as_ptr().addr());
}

/// Takes a foreign block over, into an idle slot. Returns whether it could not be resized. `claimed` says that the caller
/// claimed it before.
///
/// # Safety
///
/// As for [`begin_consume`].
pub(super) unsafe fn consume(
    environment: &Environment,
    slot: SlotRef<'_>,
    start: NonNull<u8>,
    len: usize,
    claimed: bool,
) -> Outcome<bool> {
    must_be_idle(slot)?;
    let address = start.as_ptr().addr();
    // From here on C may give the address to another thread, which then waits for what becomes of it.
    let is_ours = claimed && owned_addresses::begin_resize(address)
        || owned_addresses::claim(address) && owned_addresses::begin_resize(address);
    if !is_ours {
        return Err(Failure::already_owned(address));
    }
    // SAFETY: the caller vouches for the block; that it is claimed says that nobody else here consumed it since it was found
    // not to be owned.
    let consumed =
        must_be_plausible(start).and_then(|()| with_retries(environment, || unsafe { Block::consume(start, len) }));
    let result = consumed.map(|Consumed { block, resize_failed }| {
        put(environment, slot, block.into(), |counters| &counters.allocations);
        resize_failed
    });
    // After the entry owns the block, so that somebody does at every moment.
    end_consume(start);
    result
}

/// Resizes the block as [`consume`] does, for its next owner: it leaves its pool. Returns whether it could not be resized.
pub(super) fn transfer(environment: &Environment, slot: SlotRef<'_>, len: usize) -> Outcome<bool> {
    let (_, old) = slot.parts().ok_or_else(Failure::freed)?;
    must_be_intact(slot, "by consume()")?;
    must_not_be_shared(slot)?;
    if has_escaped(environment, slot)? {
        return Err(Failure::escaped());
    }
    // Before the ArrayBuffer is detached; from there on nothing is refused any more.
    resize::check(environment, slot, len)?;
    if !recover(environment, slot)? {
        return Err(Failure::escaped());
    }
    drop(slot.take_origin());
    let failed = slot.change(|block| block.resize_or_keep(len)).ok_or_else(Failure::freed)?;
    let (_, new) = slot.parts().ok_or_else(Failure::freed)?;
    environment.report_resized(old, new);
    Ok(failed)
}

/// Gives the block away, which leaves its pool, and returns its address.
pub(super) fn release(environment: &Environment, slot: SlotRef<'_>) -> Outcome<usize> {
    slot.parts().ok_or_else(Failure::freed)?;
    must_be_intact(slot, "by release()")?;
    if slot.attributes().is_secure() {
        return Err(Failure::secure());
    }
    must_not_be_shared(slot)?;
    if !recover(environment, slot)? {
        return Err(Failure::escaped());
    }
    let (block, _) = slot.take().ok_or_else(Failure::freed)?.into_parts();
    let len = block.len();
    let address = block.into_raw().as_ptr().expose_provenance();
    environment.slots.counters().explicit_frees.add(1);
    environment.report_removed(len);
    Ok(address)
}

/// Leaves the block to whoever has the ticket, in whichever thread. It leaves its pool.
pub(super) fn hand_over(environment: &Environment, slot: SlotRef<'_>, ticket: String) -> Outcome<()> {
    slot.parts().ok_or_else(Failure::freed)?;
    must_be_intact(slot, "by handOver()")?;
    if tickets::is_used(&ticket) {
        return Err(Failure::ticket_in_use());
    }
    must_not_be_shared(slot)?;
    if !recover(environment, slot)? {
        return Err(Failure::escaped());
    }
    let (block, origin) = slot.take().ok_or_else(Failure::freed)?.into_parts();
    let len = block.len();
    if let Err(block) = tickets::add(ticket, block) {
        // Another thread was faster.
        slot.put(PooledBlock::new(block, origin));
        return Err(Failure::ticket_in_use());
    }
    environment.slots.counters().handed_over.add(1);
    environment.report_removed(len);
    Ok(())
}

/// Takes the block of a ticket into an idle slot.
pub(super) fn take_over(environment: &Environment, slot: SlotRef<'_>, ticket: &str) -> Outcome<()> {
    must_be_idle(slot)?;
    let block = tickets::take(ticket).ok_or_else(Failure::bad_ticket)?;
    put(environment, slot, block.into(), |counters| &counters.taken_over);
    Ok(())
}

/// Refuses a block whose bytes other threads may have for ever.
fn must_not_be_shared(slot: SlotRef<'_>) -> Outcome<()> {
    if slot.is_shared() { Err(Failure::shared()) } else { Ok(()) }
}
