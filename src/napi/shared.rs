//! Blocks that have a `SharedArrayBuffer`, for any number of threads.
//!
//! Nothing tells which threads have it, and it cannot be detached. So a shared block is never moved or given away, and its
//! bytes outlive its slot: see [`share`](super::state::share).

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::sys;

use super::environment::Environment;
use super::node_api::captured::clear_exception;
use super::node_api::external::{CreateShared, create_shared_array_buffer};
use super::node_api::failure::{Failure, Outcome};
use super::state::owned_addresses;
use super::state::pooled_block::BlockShare;
use super::state::share::Share;
use super::state::slots::SlotRef;
use super::view_sweep::COLLECTIONS;

/// What the finalizer of a `SharedArrayBuffer`'s backing store is given.
struct Store {
    share: Arc<BlockShare>,
    /// Until the runtime has said so, its finalizer must do nothing.
    was_created: AtomicBool,
}

/// Another `SharedArrayBuffer` over the block.
pub(super) fn share(environment: &Environment, slot: SlotRef<'_>) -> Outcome<sys::napi_value> {
    slot.parts().ok_or_else(Failure::freed)?;
    let create = CreateShared::get().ok_or_else(Failure::no_shared_buffers)?;
    collect_left(environment);
    if let Some(share) = slot.share() {
        return create_store(environment, create, &share);
    }
    let (start, len) = slot.parts().ok_or_else(Failure::freed)?;
    let share = Share::new(start.as_ptr().addr(), len, &environment.left);
    let value = create_store(environment, create, &share)?;
    owned_addresses::lock().add_shared(share.start(), len);
    if !slot.set_share(share) {
        // JavaScript does not get this one: the block leaked as the environment went down.
        return Err(Failure::escaped());
    }
    Ok(value)
}

/// Collects garbage if much was left to `SharedArrayBuffer`s since the last time: V8, which does not see their bytes, may have
/// found no reason. What it finds dead it ends in another thread, or as it collects next.
fn collect_left(environment: &Environment) {
    let Environment { schedule, left, .. } = environment;
    if !schedule.left.is_due(left.total()) {
        return;
    }
    for _ in 0..COLLECTIONS {
        environment.force_collection();
        if !schedule.left.is_due(left.total()) {
            break;
        }
    }
    schedule.left.looked(left.total());
}

fn create_store(environment: &Environment, create: CreateShared, share: &Arc<BlockShare>) -> Outcome<sys::napi_value> {
    let env = environment.env;
    // Should the runtime fail, it stays, some 100 bytes: a finalizer that comes late must still find something to read.
    let store = Box::leak(Box::new(Store { share: Arc::clone(share), was_created: AtomicBool::new(false) }));
    let start = ptr::with_exposed_provenance_mut(share.start());
    let hint = ptr::from_mut(store).cast::<c_void>();
    let mut value = ptr::null_mut();
    share.add_store();
    // SAFETY: whoever owns the block leaves it to its share at its end, which does not end it before this store has ended.
    let status =
        unsafe { create_shared_array_buffer(env, create, start, share.len(), store_ends, hint, &raw mut value) };
    if status == sys::Status::napi_ok {
        // SAFETY: only the finalizer ends the box, and `value` keeps that from coming.
        unsafe { &*hint.cast::<Store>() }.was_created.store(true, Ordering::Release);
        return Ok(value);
    }
    clear_exception(env);
    // The slot has the block: nothing comes back.
    drop(share.store_ended());
    Err(Failure::no_external_buffers(status))
}

/// Called once when a store is gone, in any thread, perhaps inside of the collector: nothing here enters a runtime.
unsafe extern "C" fn store_ends(_data: *mut c_void, hint: *mut c_void) {
    // Nothing here panics; if it did, then not into the runtime's C++.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let store = hint.cast::<Store>();
        // SAFETY: `create_store` leaves the box to this finalizer, if the store was created; else it stays for ever.
        if unsafe { &*store }.was_created.load(Ordering::Acquire) {
            // SAFETY: likewise; the finalizer is called once.
            drop(unsafe { Box::from_raw(store) }.share.store_ended());
        }
    }));
}
