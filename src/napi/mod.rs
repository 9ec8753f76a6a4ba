//! The Node-API binding: the crate as JavaScript sees it.
//!
//! Each module uses only those before it in this list:
//!
//! - [`node_api`]: what is about the runtime alone.
//! - [`state`]: what is known of slots, blocks and their `ArrayBuffer`s.
//! - [`environment`]: what belongs to a thread, or a context of it, that loaded the addon.
//! - [`dead_slots`], [`view_sweep`], [`sweep`], [`retry`]: what frees memory without waiting for the event loop.
//! - [`debug_checks`], [`viewed`], [`shared`], [`lifecycle`], [`resize`], [`owner_changes`]: what happens to a slot's block.
//! - [`teardown`]: the end of an environment on Bun and Deno. (On Node: [`state::backing_stores`].)
//! - [`exports`]: what JavaScript is given.
//!
//! A [`Slot`](exports::slot::Slot) is the native handle, which frees its block once whoever ends it: a call, the collector or
//! the end of the thread. It has an entry among its environment's
//! [`slots`](state::slots), and the entry owns at most one block. A block over which an `ArrayBuffer` was made moves to a
//! [control block](state::control_block), which outlives the slot if it must. Whoever has a `SharedArrayBuffer` over a block
//! has a [share](state::share) in it, in any thread.
//!
//! No borrow of anything here is held while Node-API is called: it may collect garbage, run finalizers and, through them,
//! come back.

mod dead_slots;
mod debug_checks;
mod environment;
mod exports;
mod lifecycle;
mod node_api;
mod owner_changes;
mod resize;
mod retry;
mod shared;
mod state;
mod sweep;
mod teardown;
mod view_sweep;
mod viewed;

use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;

use environment::Environment;
use node_api::failure::throwing;

/// Runs as an environment loads the addon.
#[napi(module_exports)]
pub fn load(_exports: Object, env: Env) -> napi::Result<()> {
    crate::os::stay_loaded();
    crate::debug::enable_from_environment();
    throwing(env, || teardown::watch(&Environment::create(env.raw())?))
}
