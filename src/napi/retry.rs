//! What is tried before a request for memory is refused: pools give up what they retain, then garbage is collected.

use std::io;

use super::dead_slots::for_each_dead;
use super::environment::Environment;
use super::node_api::failure::{Failure, Outcome};
use super::state::caches;
use super::state::owned_addresses::{self, Sum};
use super::state::slot_table::State;
use super::sweep::{live_bytes, sweep_all};
use super::view_sweep::COLLECTIONS;
use crate::OutOfMemory;
use crate::reclaim::retry_while;

/// Runs what may be refused for want of memory. If it is, frees what pools retain and tries again; then collects garbage,
/// sweeps, and tries again. As long as JavaScript has freed blocks in its cache that is not worth it: to free these takes a
/// microsecond, and then it asks again.
#[inline]
pub(super) fn with_retries<T>(
    environment: &Environment,
    operation: impl FnMut() -> Result<T, OutOfMemory>,
) -> Outcome<T> {
    let mut collections = 0;
    let sweep = |refusal: &OutOfMemory| {
        collections += 1;
        let is_worth_it = collections <= COLLECTIONS
            && !(cache_helps(refusal) && environment.may_give_up_cache())
            && could_help(environment, refusal);
        if is_worth_it {
            sweep_all(environment);
        }
        is_worth_it
    };
    retry_while(operation, sweep).map_err(|refusal| refused(environment, refusal))
}

/// Whether freeing everything that this environment has would be enough.
fn could_help(environment: &Environment, refusal: &OutOfMemory) -> bool {
    let bytes = live_bytes(environment) + environment.schedule.let_go.bytes() + environment.left.total();
    bytes > 0
        && match *refusal {
            OutOfMemory::Allocator { requested } => requested as u64 <= bytes,
            OutOfMemory::Machine { requested, available, reserve } => {
                requested as u64 + reserve as u64 <= available.saturating_add(bytes)
            }
            OutOfMemory::Lock { requested, limit, reason } => {
                reason != io::ErrorKind::PermissionDenied
                    && limit.is_some_and(|limit| requested as u64 <= limit.min(bytes))
            }
            OutOfMemory::Mappings { .. } => true,
            OutOfMemory::Limit { requested, live, limit } => {
                (live as u64).saturating_sub(bytes) + requested as u64 <= limit as u64
            }
        }
}

/// Whether it helps to free what caches keep. None of that is locked.
fn cache_helps(refusal: &OutOfMemory) -> bool {
    !matches!(refusal, OutOfMemory::Lock { .. })
}

/// The error for a refusal, which says what waits for an end that may come soon.
#[cold]
fn refused(environment: &Environment, refusal: OutOfMemory) -> Failure {
    // JavaScript tries again if its cache was asked.
    if cache_helps(&refusal) {
        environment.ask_caches();
        caches::ask_to_give_up();
    }
    let (dropped, let_go, left) = waiting(environment);
    let mut failure = Failure::from(refusal);
    if let_go.blocks > 0 {
        failure = failure.with_hint(&format!(
            "{} bytes of {} freed blocks may still be in use by I/O in flight: await what uses their bytes, and let go of \
             views of them",
            let_go.bytes, let_go.blocks
        ));
    }
    if dropped.blocks > 0 {
        failure = failure.with_hint(&format!(
            "{} bytes of {} dropped blocks wait for the finalizers of their ArrayBuffers, which run between turns of the \
             event loop: call free(), declare them with `using`, or let the event loop turn",
            dropped.bytes, dropped.blocks
        ));
    }
    if left.blocks > 0 {
        failure = failure.with_hint(&format!(
            "{} bytes of {} freed blocks are held by SharedArrayBuffers: let go of them in every thread",
            left.bytes, left.blocks
        ));
    }
    failure
}

/// Blocks that an `ArrayBuffer` still holds: the dropped ones, those that were let go, and those of a `SharedArrayBuffer`.
fn waiting(environment: &Environment) -> (Sum, Sum, Sum) {
    let (orphans, let_go, left) = {
        let owned = owned_addresses::lock();
        (owned.orphans(), owned.let_go(), owned.left_to_sharers())
    };
    let mut dropped = Sum { blocks: orphans.blocks - let_go.blocks, bytes: orphans.bytes - let_go.bytes };
    for_each_dead(environment, |slot| {
        if let (State::Viewed, Some((_, len))) = (slot.state(), slot.parts()) {
            dropped.blocks += 1;
            dropped.bytes += len as u64;
        }
    });
    (dropped, let_go, left)
}
