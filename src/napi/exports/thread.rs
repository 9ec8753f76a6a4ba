//! What `lib/` and the calling thread tell each other.

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use crate::napi::environment::Environment;
use crate::napi::node_api::failure::throwing;

/// Says that this environment is the main thread's. Nobody needs to know at its end which bytes were moved away: the process
/// ends too.
#[napi]
pub fn ends_with_process(env: Env) -> napi::Result<()> {
    throwing(env, || {
        Environment::of(env.raw())?.stores.ends.set_with_process();
        Ok(())
    })
}

/// Says that the event loop has turned. In the main thread the `ArrayBuffer`s that were made since it last did can be
/// collected from now on. Until then each is kept, so that in a stretch without turns a sweep can tell which of them nobody
/// has any more. To be called once after `Slot.buffer` was, as soon as the event loop turns.
#[napi]
pub fn weaken_buffers(env: Env) -> napi::Result<()> {
    throwing(env, || {
        let stores = &Environment::of(env.raw())?.stores;
        // Only in the main thread. A worker can be ended at any moment. If an `ArrayBuffer` was collected just before, nobody
        // could tell whether its bytes had been moved. So in workers only a sweep weakens.
        if stores.ends.are_with_process() {
            for control in stores.turn() {
                control.weaken(env.raw());
            }
        }
        Ok(())
    })
}

/// Whether bytes that this thread has a view of may be in use by what is in flight: then `free` lets a block go. False
/// where the runtime cannot be asked: on Bun and Deno.
#[napi]
pub fn may_be_in_use(env: Env) -> napi::Result<bool> {
    throwing(env, || Ok(Environment::of(env.raw())?.event_loop.user(env.raw()).is_some()))
}
