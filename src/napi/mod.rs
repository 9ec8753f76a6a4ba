//! The Node-API binding: the crate as JavaScript sees it.
//!
//! Each module uses only those above it in this list:
//!
//! - [`node_api`]: what is about Node-API alone.
//! - [`state`]: what is known of slots, blocks and their `ArrayBuffer`s.
//! - [`environment`]: what belongs to one thread that loaded the addon.
//! - [`watch`], [`view_sweep`], [`sweep`], [`retry`]: what frees memory without waiting for the event loop.
//! - [`debug_checks`], [`viewed`], [`lifecycle`], [`resize`], [`ownership`]: what happens to a slot's block.
//! - [`teardown`]: the end of an environment.
//! - [`exports`]: what JavaScript is given.
//!
//! A [`Slot`](exports::slot::Slot) is the finalizer-safe native handle. It has an entry among its environment's
//! [`slots`](state::slots), and the entry owns at most one block. A block over which an `ArrayBuffer` was made moves to a
//! [control block](state::control_block), which outlives the slot if it must.
//!
//! No borrow of anything here is held while Node-API is called: it may collect garbage, run finalizers and, through them,
//! come back.

mod debug_checks;
mod environment;
mod exports;
mod lifecycle;
mod node_api;
mod ownership;
mod resize;
mod retry;
mod state;
mod sweep;
mod teardown;
mod view_sweep;
mod viewed;
mod watch;

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
