//! The Node-API binding: the crate as JavaScript sees it.
//!
//! A [`slot::Slot`] is the finalizer-safe native handle. It owns an entry of its environment's
//! [`table`], and the entry owns at most one block. A block over which an `ArrayBuffer` was made
//! moves to a control block ([`view`]), which outlives the slot if it must.
//!
//! No borrow of anything here is held while Node-API is called: it may collect garbage, run
//! finalizers and, through them, come back.

mod debug;
mod ending;
mod environment;
mod event_loop;
mod external;
mod failure;
#[cfg(feature = "fault-injection")]
mod faults;
mod growing;
mod holders;
mod home;
mod hot;
mod let_go;
mod lifecycle;
mod ownership;
mod pool;
mod ranges;
mod scope;
mod slot;
mod stats;
mod stores;
mod sweep;
mod table;
mod view;
mod view_sweep;

use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;

/// Runs as an environment loads the addon.
#[napi(module_exports)]
pub fn load(_exports: Object, env: Env) -> napi::Result<()> {
    crate::os::stay_loaded();
    crate::debug::enable_from_environment();
    environment::Environment::create(env.raw()).map_err(|failure| failure.thrown(env.raw()))
}
