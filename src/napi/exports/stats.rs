//! What is counted, for JavaScript.

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use crate::napi::environment::Environment;
use crate::napi::node_api::arguments::length_of;
use crate::napi::node_api::failure::throwing;
use crate::napi::state::caches::Cached;
use crate::napi::state::counters::Counters;
use crate::napi::state::{caches, owned_addresses, registry, tickets};

/// What the process's blocks use. Bytes are lengths of blocks, without the allocator's overhead.
#[napi(object)]
pub struct ProcessStats {
    /// Blocks that are not freed yet: those of handles, those that wait to be taken over, and those that
    /// are left to an `ArrayBuffer` or leaked.
    pub live_blocks: f64,
    /// Their bytes, and those that pools retain.
    pub live_bytes: f64,
    /// The most that `liveBytes` and `cachedBytes` together ever were.
    pub peak_live_bytes: f64,
    /// Freed blocks that threads keep for their next `malloc`.
    pub cached_blocks: f64,
    /// Their bytes.
    pub cached_bytes: f64,
    /// Blocks that were allocated or consumed.
    pub allocations: f64,
    /// Blocks that were freed or released by a call.
    pub explicit_frees: f64,
    /// Blocks whose handle was garbage-collected.
    pub collected_frees: f64,
    /// Bytes that no handle holds any more, but an `ArrayBuffer` whose finalizer has not run.
    pub awaiting_finalizer_bytes: f64,
    /// Blocks among these that were freed while somebody may have been using their bytes: they end as nobody has a view of
    /// them any more.
    pub let_go_blocks: f64,
    /// Their bytes.
    pub let_go_bytes: f64,
    /// Blocks that could not be freed as a thread ended, because another one may be reading them.
    pub leaked_at_teardown: f64,
    /// The limit on `liveBytes` and `cachedBytes` together that was set, or null.
    pub memory_limit: Option<f64>,
    /// What can still be made resident on this machine and in its container; null where the system does not tell.
    pub available_bytes: Option<f64>,
}

/// What the calling thread's handles did.
#[napi(object)]
pub struct ThreadStats {
    /// Blocks that a handle of this thread owns.
    pub live_blocks: f64,
    /// Their bytes.
    pub live_bytes: f64,
    /// Blocks that were allocated or consumed.
    pub allocations: f64,
    /// Blocks that were freed or released by a call.
    pub explicit_frees: f64,
    /// Blocks whose handle was garbage-collected.
    pub collected_frees: f64,
    /// Freed blocks that the thread keeps for its next `malloc`.
    pub cached_blocks: f64,
    /// Their bytes.
    pub cached_bytes: f64,
}

/// Counts of the whole process. `availableBytes` reads system files: some 50 µs.
#[napi]
pub fn stats() -> ProcessStats {
    let budget = crate::budget();
    let (orphans, let_go, leaked) = {
        let owned = owned_addresses::lock();
        (owned.orphans(), owned.let_go(), owned.leaked())
    };
    let totals = registry::totals();
    let cached = caches::totals();
    let Counts { allocations, explicit_frees, collected_frees } = counts(&totals, cached);
    let came = allocations + totals.taken_over.get() + tickets::count() + orphans.blocks + leaked;
    let went = explicit_frees + collected_frees + totals.handed_over.get();
    ProcessStats {
        live_blocks: came.saturating_sub(went) as f64,
        live_bytes: (budget.live as u64).saturating_sub(cached.bytes) as f64,
        peak_live_bytes: budget.peak as f64,
        cached_blocks: cached.blocks as f64,
        cached_bytes: cached.bytes as f64,
        allocations: allocations as f64,
        explicit_frees: explicit_frees as f64,
        collected_frees: collected_frees as f64,
        awaiting_finalizer_bytes: orphans.bytes as f64,
        let_go_blocks: let_go.blocks as f64,
        let_go_bytes: let_go.bytes as f64,
        leaked_at_teardown: leaked as f64,
        memory_limit: budget.limit.map(|bytes| bytes as f64),
        available_bytes: budget.available.map(|bytes| bytes as f64),
    }
}

/// Counts of the calling thread.
#[napi]
pub fn per_thread(env: Env) -> napi::Result<ThreadStats> {
    let environment = throwing(env, || Environment::of(env.raw()))?;
    let counters = environment.slots.counters();
    let cached = environment.cached();
    let Counts { allocations, explicit_frees, collected_frees } = counts(counters, cached);
    let came = allocations + counters.taken_over.get();
    let went = explicit_frees + collected_frees + counters.handed_over.get();
    Ok(ThreadStats {
        live_blocks: came.saturating_sub(went) as f64,
        live_bytes: counters.live_bytes.get().saturating_sub(cached.bytes) as f64,
        allocations: allocations as f64,
        explicit_frees: explicit_frees as f64,
        collected_frees: collected_frees as f64,
        cached_blocks: cached.blocks as f64,
        cached_bytes: cached.bytes as f64,
    })
}

struct Counts {
    allocations: u64,
    explicit_frees: u64,
    collected_frees: u64,
}

/// What was counted, together with what went into caches and came out again.
fn counts(counters: &Counters, cached: Cached) -> Counts {
    Counts {
        allocations: counters.allocations.get().saturating_add(cached.handed_out),
        explicit_frees: counters.explicit_frees.get().saturating_add(cached.freed()),
        // What a call freed before.
        collected_frees: counters.collected_frees.get().saturating_sub(cached.left),
    }
}

/// Asks all threads to free the blocks that they have cached: each does at its next call. Has the C allocator give what is free
/// back to the system.
#[napi]
pub fn trim() {
    caches::ask_to_give_up();
    crate::os::trim();
}

/// The bytes outside of its heap that V8 has been told of in this environment, by every addon: for tests.
#[napi]
pub fn external_bytes(env: Env) -> napi::Result<f64> {
    throwing(env, || Ok(Environment::of(env.raw())?.flush_report() as f64))
}

/// Limits what all live and cached blocks of the process may hold together, in bytes; `null` lifts the limit.
///
/// Throws `ERR_OUT_OF_RANGE`.
#[napi]
pub fn set_memory_limit(env: Env, bytes: Option<f64>) -> napi::Result<()> {
    let limit = throwing(env, || bytes.map(length_of).transpose())?;
    crate::set_memory_limit(limit);
    // What exists already stays. But what is freed of it must not be handed out again by a cache, which asks nobody.
    let live = (crate::budget().live as u64).saturating_sub(caches::totals().bytes);
    caches::set_keep_nothing(limit.is_some_and(|limit| live > limit as u64));
    Ok(())
}
