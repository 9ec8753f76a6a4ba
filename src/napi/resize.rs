//! Resizing a slot's block: where it is, or by a copy in another block.

use super::debug_checks::must_be_intact;
use super::environment::Environment;
use super::lifecycle::put;
use super::node_api::event_loop::User;
use super::node_api::failure::{Failure, Outcome};
use super::retry::with_retries;
use super::state::pooled_block::PooledBlock;
use super::state::slot_table::State;
use super::state::slots::SlotRef;
use super::viewed::{abandon, recover, user_of};
use crate::Block;
use crate::block::Init;

/// Resizes the block, which keeps its pool. Returns for whom the old one was let go.
///
/// One that has escaped or is shared, or whose bytes somebody may be using, is copied into a new block; so is one that is secure, or of a
/// pool that scrubs: C's `realloc` would leave bytes behind that nobody zeroes.
pub(super) fn resize(environment: &Environment, slot: SlotRef<'_>, len: usize) -> Outcome<Option<User>> {
    let (_, old) = slot.parts().ok_or_else(Failure::freed)?;
    let user = user_of(environment, slot);
    must_be_intact(slot, "by resize()")?;
    let leaves_bytes = slot.attributes().is_secure() || slot.origin().is_some_and(|pool| pool.scrubs());
    if leaves_bytes && len != old {
        // Before the ArrayBuffer is detached: a refusal must leave it as it is.
        let block = allocate_like(environment, slot, len, Init::Uninit)?;
        let recovered = user.is_none() && recover(environment, slot)?;
        return replace(environment, slot, block, recovered, user);
    }
    // Likewise. Without one, the resize itself refuses. To look up what the machine has left takes a while.
    if slot.state() == State::Viewed {
        check(environment, slot, len)?;
    }
    let is_shared = slot.is_shared();
    if user.is_some() || is_shared || !recover(environment, slot)? {
        let block = allocate_like(environment, slot, len, slot.attributes().init_of_copy())?;
        let recovered = user.is_none() && is_shared && recover(environment, slot)?;
        return replace(environment, slot, block, recovered, user);
    }
    with_retries(environment, || slot.change(|block| block.resize(len)).transpose())?.ok_or_else(Failure::freed)?;
    environment.report_resized(old, len);
    Ok(None)
}

/// Refuses a resize that the machine or the set limit would refuse now.
pub(super) fn check(environment: &Environment, slot: SlotRef<'_>, len: usize) -> Outcome<()> {
    let (start, old) = slot.parts().ok_or_else(Failure::freed)?;
    // SAFETY: the entry, or what it lent its block to, has the block.
    with_retries(environment, || unsafe { Block::check_resize(start, old, len, slot.attributes()) })
}

/// A block of another length, of the same pool and with the same attributes.
fn allocate_like(environment: &Environment, slot: SlotRef<'_>, len: usize, init: Init) -> Outcome<PooledBlock> {
    let origin = slot.origin();
    let block = with_retries(environment, || match &origin {
        Some(pool) => pool.allocate(len, Init::Uninit),
        None => Block::allocate(len, init, slot.attributes()),
    })?;
    Ok(PooledBlock::new(block, origin))
}

/// Puts a copy of an entry's block, as far as it has room for that, in the place of it. `recovered` says that nobody else
/// can reach the old bytes, `user` who may be using them.
fn replace(
    environment: &Environment,
    slot: SlotRef<'_>,
    mut block: PooledBlock,
    recovered: bool,
    user: Option<User>,
) -> Outcome<Option<User>> {
    let (start, old) = slot.parts().ok_or_else(Failure::freed)?;
    // A sweep that made room for the new block may have found that nobody has the old one's ArrayBuffer.
    let (recovered, user) = if slot.state() == State::Viewed { (recovered, user) } else { (true, None) };
    // SAFETY: the old block lives as long as the entry has it, which it does until it is taken or abandoned below. The new
    // one is another, made by who calls for this. If the old one escaped or is in use, somebody may write to it meanwhile:
    // then the copy has some of the old and some of the new bytes, as with any copy of memory that C shares.
    unsafe { block.block_mut().take_contents(start, old) };
    if recovered {
        drop(slot.take());
        environment.report_removed(old);
    } else {
        abandon(environment, slot, user);
    }
    environment.slots.counters().explicit_frees.add(1);
    put(environment, slot, block, |counters| &counters.allocations);
    Ok(user)
}
