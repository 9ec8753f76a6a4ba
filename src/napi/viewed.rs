//! Blocks that have an `ArrayBuffer`: made, brought back to their slot, or left to whoever has the bytes.
//!
//! A block is **let go** if it is freed while somebody may still be using its bytes. It has left its slot then, and keeps its
//! `ArrayBuffer` as it is. It ends when nobody has that any more. Between turns of the event loop the collector finds out;
//! in a stretch without turns a sweep does, so that what is let go does not pile up.

use napi::sys;

use super::environment::Environment;
use super::node_api::event_loop::User;
use super::node_api::failure::{Failure, Outcome};
use super::state::control_block::ControlBlock;
use super::state::slot_table::State;
use super::state::slots::SlotRef;
use super::state::sweep_schedule::weight;
use super::view_sweep::{sweep_views, weight_of_orphans};
use crate::block;

/// The `ArrayBuffer` over the block: the same one as long as it is reachable.
pub(super) fn buffer(environment: &Environment, slot: SlotRef<'_>) -> Outcome<sys::napi_value> {
    let env = environment.env;
    if let Some(view) = slot.view() {
        let attached = view.attached(env)?;
        if !attached.is_null() {
            return Ok(attached);
        }
        // Collected or moved away: there can be another one only if the bytes came back.
        if !recover(environment, slot)? {
            return Err(Failure::escaped());
        }
    }
    let block = slot.lend().ok_or_else(Failure::freed)?;
    let len = block.len();
    match ControlBlock::create(env, block, slot.index(), &environment.stores.ends) {
        Ok((view, value)) => {
            if let Err(failure) = environment.stores.watch(env, &view) {
                // JavaScript never got this ArrayBuffer, so nobody can have its bytes.
                slot.reclaim(view.take_unreachable(env).ok_or_else(Failure::freed)?);
                return Err(failure);
            }
            slot.set_view(view);
            environment.report_removed(len);
            Ok(value)
        }
        Err((failure, block)) => {
            slot.reclaim(block);
            Err(failure)
        }
    }
}

/// Whether other JavaScript than the slot's own `ArrayBuffer` may reach the bytes.
pub(super) fn has_escaped(environment: &Environment, slot: SlotRef<'_>) -> Outcome<bool> {
    match slot.view() {
        Some(view) if view.attached(environment.env)?.is_null() => Ok(!recover(environment, slot)?),
        _ => Ok(false),
    }
}

/// Who may be using the bytes of an entry's block; `None` if it is certain that nobody is, or if the bytes have escaped: then
/// other JavaScript keeps them alive.
#[inline]
pub(super) fn user_of(environment: &Environment, slot: SlotRef<'_>) -> Option<User> {
    if slot.state() != State::Viewed {
        return None;
    }
    let view = slot.view().filter(|view| view.store_is_held())?;
    environment.event_loop.user(environment.env).filter(|_| view.is_attached(environment.env))
}

/// Brings a viewed block back to its entry, if nobody but the slot can reach its bytes then.
#[inline]
pub(super) fn recover(environment: &Environment, slot: SlotRef<'_>) -> Outcome<bool> {
    if slot.state() != State::Viewed {
        return Ok(true);
    }
    let recovered = recover_unreported(environment, slot)?;
    if recovered && let Some((_, len)) = slot.parts() {
        environment.report_added(len);
    }
    Ok(recovered)
}

/// Brings a viewed block back to its entry, unless somebody may be using its bytes, or they have escaped. Returns whether it is
/// back.
pub(super) fn take_back(environment: &Environment, slot: SlotRef<'_>) -> Outcome<bool> {
    Ok(user_of(environment, slot).is_none() && recover(environment, slot)?)
}

/// [`recover`] without telling V8 that the bytes are under no `ArrayBuffer` now.
pub(super) fn recover_unreported(environment: &Environment, slot: SlotRef<'_>) -> Outcome<bool> {
    let env = environment.env;
    let Some(view) = slot.take_view() else { return Ok(slot.state() != State::Viewed) };
    let generation = slot.generation();
    let detached = view.detach(env, &environment.transfer);
    if slot.generation() != generation {
        // A program replaced `transfer` before the addon was loaded, and freed the slot in there. What the entry holds now
        // is not this view's.
        drop(view.orphan(env));
        return Err(Failure::freed());
    }
    if !detached {
        slot.set_view(view);
        return Ok(false);
    }
    let Some(block) = view.take_unreachable(env) else {
        // Leaked as the environment went down.
        drop(slot.forget());
        return Ok(false);
    };
    slot.reclaim(block);
    Ok(true)
}

/// Leaves a block that has escaped, or that `user` may be using, to its backing store. It still goes back to its pool at its
/// end.
pub(super) fn abandon(environment: &Environment, slot: SlotRef<'_>, user: Option<User>) {
    let len = slot.parts().map_or(0, |(_, len)| len);
    slot.leave_to_store(|view| match user {
        None => view.orphan(environment.env),
        Some(_) => view.let_go(),
    });
    if user.is_some() {
        note_let_go(environment, len);
    }
}

/// Notes that so much was let go, and sweeps if there is much of it.
#[cold]
fn note_let_go(environment: &Environment, len: usize) {
    let (let_go, turns) = (&environment.schedule.let_go, environment.stores.ends.are_with_process());
    let_go.set(let_go.bytes() + weight(len));
    if let_go.is_due(turns) {
        // Some may have ended by their finalizers.
        let_go.set(weight_of_orphans(environment));
        if let_go.is_due(turns) {
            sweep_views(environment);
        }
    }
}

/// Wipes the block of an entry that is secure: after `free` the secret is gone, also for I/O that is still using the block.
pub(super) fn wipe_if_secure(slot: SlotRef<'_>) {
    if slot.attributes().is_secure()
        && let Some((start, len)) = slot.parts()
    {
        // SAFETY: the block is there until its control block ends it. Whoever is reading it meanwhile, in C, may see zeros
        // in the place of the secret: that is what this is for.
        unsafe { block::wipe(start, len) };
    }
}
