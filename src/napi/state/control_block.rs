//! Control blocks: what stands between a block and the `ArrayBuffer` over it.
//!
//! As soon as there is an `ArrayBuffer` over a block, two may hold its bytes: the slot, and the backing store, which
//! JavaScript can move away from the `ArrayBuffer` that we made (`ab.transfer()`, streams, other threads). So the block
//! moves to a [`ControlBlock`] of its own, which both hold. It is freed when both have let go, or at once when our own
//! detach succeeded: then no JavaScript can reach the bytes any more.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, ThreadId};

use napi::sys;

use super::owned_addresses;
use super::pooled_block::{BlockShare, PooledBlock};
use super::shared_block::{Remainder, SharedBlock, Store};
use super::store_ends::StoreEnds;
use crate::napi::node_api::captured::{Captured, clear_exception, runs_javascript};
use crate::napi::node_api::external::create_array_buffer;
use crate::napi::node_api::failure::{Failure, Outcome, check};
use crate::napi::node_api::scope::in_scope;
use crate::sync::{AtomicPtr, Ordering};

/// A block that has an `ArrayBuffer`, and who holds it.
///
/// The backing store's finalizer is given a pointer to this, never a slot's number or an address, so that it cannot mean
/// anything else by the time it runs. It may run in any thread.
pub(crate) struct ControlBlock {
    shared: SharedBlock<PooledBlock>,
    /// A reference to the `ArrayBuffer`, as long as somebody needs it; then null.
    /// Only the environment's thread uses what it points to.
    array_buffer: AtomicPtr<sys::napi_ref__>,
    /// Whether the reference keeps the `ArrayBuffer` from being collected now.
    is_strong: AtomicBool,
    /// The entry that lent the block.
    index: u32,
    /// How many bytes the block has.
    len: usize,
    /// Whether the slot has let go of the block.
    is_orphan: AtomicBool,
    ends: Arc<StoreEnds>,
    /// The environment's thread.
    thread: ThreadId,
}

impl ControlBlock {
    /// Makes an `ArrayBuffer` over the block that the entry `index` lent. On an error the block comes back.
    ///
    /// The `ArrayBuffer` is not collected before the event loop turns, or a sweep looks at it: once it is gone, nobody
    /// can tell any more whether its bytes had been moved away. For the same reason a worker keeps it until a sweep: it can
    /// be ended at any moment, and what its stack held is garbage then.
    pub(crate) fn create(
        env: sys::napi_env,
        block: PooledBlock,
        index: u32,
        ends: &Arc<StoreEnds>,
    ) -> Result<(Arc<Self>, sys::napi_value), (Failure, PooledBlock)> {
        let (start, len) = (block.as_ptr(), block.len());
        let is_strong = ends.are_watched();
        let control = Arc::new(Self {
            shared: SharedBlock::new(block),
            array_buffer: AtomicPtr::new(ptr::null_mut()),
            is_strong: AtomicBool::new(is_strong),
            index,
            len,
            is_orphan: AtomicBool::new(false),
            ends: Arc::clone(ends),
            thread: thread::current().id(),
        });
        let take_back = |failure| match control.shared.take() {
            Some(block) => (failure, block),
            None => unreachable!("a store that was not created takes nothing"),
        };
        // This count is the backing store's. Should the runtime fail, it stays, some 100 bytes: a finalizer that comes late
        // must still find something to read.
        let hint = Arc::into_raw(Arc::clone(&control)).cast_mut().cast::<c_void>();
        let mut value = ptr::null_mut();
        // SAFETY: the bytes live until the control block frees them. It does not before this backing store has ended, before
        // our own detach has emptied it, or before `sweep_views` found the `ArrayBuffer` collected that still had the bytes.
        let status = unsafe { create_array_buffer(env, start.cast(), len, finalize_store, hint, &raw mut value) };
        if status != sys::Status::napi_ok {
            clear_exception(env);
            return Err(take_back(Failure::no_external_buffers(status)));
        }
        let mut array_buffer = ptr::null_mut();
        let count = u32::from(is_strong);
        // SAFETY: `value` is the ArrayBuffer that was just made.
        if let Err(failure) = check(unsafe { sys::napi_create_reference(env, value, count, &raw mut array_buffer) }) {
            // SAFETY: likewise; nobody has seen it yet, so that it can be detached.
            unsafe { sys::napi_detach_arraybuffer(env, value) };
            return Err(take_back(failure));
        }
        control.array_buffer.store(array_buffer, Ordering::Relaxed);
        control.shared.store_was_created();
        Ok((control, value))
    }

    /// Whether the block is still here: neither taken back by its slot, nor freed or leaked.
    pub(crate) fn has_block(&self) -> bool {
        self.shared.has_block()
    }

    /// Notes who shares the block. Returns whether it is still here.
    pub(crate) fn set_share(&self, share: Arc<BlockShare>) -> bool {
        self.shared.change(|block| block.set_share(share))
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The block's bytes, if its slot has let go of it.
    pub(crate) fn orphaned_len(&self) -> Option<usize> {
        self.is_orphan.load(Ordering::Relaxed).then_some(self.len)
    }

    /// Whether some backing store may still have the bytes.
    pub(crate) fn store_is_held(&self) -> bool {
        self.shared.store() == Store::Held
    }

    /// Notes, as the environment begins to go down, whether the bytes never left their `ArrayBuffer`.
    pub(crate) fn note_teardown(&self, env: sys::napi_env) {
        self.shared.note_teardown(in_scope(env, || self.is_attached(env)).unwrap_or(false));
    }

    /// Makes sure that no JavaScript can reach the bytes any more, if that can be done.
    ///
    /// `transfer`, if it is there, is preferred, because `napi_detach_arraybuffer` aborts the process where the buffer was
    /// marked as untransferable.
    pub(crate) fn detach(&self, env: sys::napi_env, transfer: &Captured) -> bool {
        let Ok(value) = self.attached(env) else { return false };
        if value.is_null() {
            return self.shared.store() == Store::Gone;
        }
        if transfer.is_none() {
            // SAFETY: `value` is an attached ArrayBuffer.
            unsafe { sys::napi_detach_arraybuffer(env, value) };
        } else {
            let mut zero = ptr::null_mut();
            // SAFETY: `zero` is a place to write to.
            unsafe { sys::napi_create_int32(env, 0, &raw mut zero) };
            // Moves the buffer to one of no bytes, which drops them.
            transfer.call(env, value, zero);
        }
        is_detached(env, value).unwrap_or(false)
    }

    /// Takes the block, which nobody can reach any more: [`detach`](Self::detach) has succeeded, or its `ArrayBuffer` had
    /// the bytes and is gone. `None` if its store's finalizer was first.
    pub(crate) fn take_unreachable(&self, env: sys::napi_env) -> Option<PooledBlock> {
        self.delete_reference(env);
        self.shared.take()
    }

    /// The slot lets go of the block, and leaves it to its backing store. Returns it if that is gone.
    pub(crate) fn orphan(&self, env: sys::napi_env) -> Option<PooledBlock> {
        // As the environment ends the reference stays: nothing more may be collected before it is known whose the bytes
        // are.
        if runs_javascript(env) {
            if self.ends.are_watched() {
                self.weaken(env);
            } else {
                self.delete_reference(env);
            }
        }
        self.orphan_silently()
    }

    /// [`orphan`](Self::orphan) as the environment ends, without a call into the runtime.
    pub(crate) fn orphan_silently(&self) -> Option<PooledBlock> {
        self.leave_to_store(false)
    }

    /// [`orphan`](Self::orphan), while somebody may be using the bytes. The `ArrayBuffer` is kept, if it was, until a sweep
    /// or the next turn of the event loop.
    pub(crate) fn let_go(&self) -> Option<PooledBlock> {
        self.leave_to_store(true)
    }

    fn leave_to_store(&self, let_go: bool) -> Option<PooledBlock> {
        self.is_orphan.store(true, Ordering::Relaxed);
        self.shared.slot_ended(|block| {
            owned_addresses::lock().add_orphan(block.as_ptr().addr(), block.len(), let_go);
        })
    }

    /// The backing store is gone, or its environment goes down.
    fn store_ended(&self, env: sys::napi_env) {
        if self.ends.are_in_collector() || thread::current().id() != self.thread {
            // We cannot call the runtime here: Deno calls from its collector, Bun in the thread that has the bytes. In both
            // cases the store is really gone. The reference is left to the slot.
            return Self::dispose(self.shared.store_ended(|| true));
        }
        Self::dispose(self.shared.store_ended(|| self.ends.are_their_own() || runs_javascript(env)));
        self.delete_reference(env);
    }

    fn dispose(remainder: Option<Remainder<PooledBlock>>) {
        if let Some(Remainder::Free(block) | Remainder::Leak(block)) = &remainder {
            owned_addresses::lock().remove_orphan(block.as_ptr().addr());
        }
        if let Some(Remainder::Leak(block)) = remainder {
            let (start, len, _) = block.into_parts().0.into_parts();
            owned_addresses::lock().add_leaked(start.as_ptr().addr(), len);
        }
    }

    /// Lets the `ArrayBuffer` be collected. Returns whether it was kept from that.
    pub(crate) fn weaken(&self, env: sys::napi_env) -> bool {
        let reference = self.array_buffer.load(Ordering::Relaxed);
        if reference.is_null() || !self.is_strong.swap(false, Ordering::Relaxed) {
            return false;
        }
        let mut count = 0;
        // SAFETY: a reference that is not null is alive; `is_strong` said that its count was 1.
        unsafe { sys::napi_reference_unref(env, reference, &raw mut count) };
        true
    }

    /// Keeps the `ArrayBuffer` from being collected.
    pub(crate) fn strengthen(&self, env: sys::napi_env) {
        let reference = self.array_buffer.load(Ordering::Relaxed);
        if reference.is_null() || self.is_strong.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut count = 0;
        // SAFETY: a reference that is not null is alive; `is_strong` said that its count was 0.
        unsafe { sys::napi_reference_ref(env, reference, &raw mut count) };
    }

    fn delete_reference(&self, env: sys::napi_env) {
        let reference = self.array_buffer.swap(ptr::null_mut(), Ordering::Relaxed);
        if !reference.is_null() {
            // SAFETY: the reference was just taken out, so that it is deleted once.
            unsafe { sys::napi_delete_reference(env, reference) };
        }
    }

    /// Whether the `ArrayBuffer` is gone.
    pub(crate) fn is_collected(&self, env: sys::napi_env) -> bool {
        let is_there = !self.array_buffer.load(Ordering::Relaxed).is_null();
        is_there && self.target(env).is_ok_and(sys::napi_value::is_null)
    }

    /// Whether the bytes are still under the `ArrayBuffer` that was made for them.
    pub(crate) fn is_attached(&self, env: sys::napi_env) -> bool {
        self.attached(env).is_ok_and(|value| !value.is_null())
    }

    /// The `ArrayBuffer`, if it is still the one that holds the bytes; null if it was collected or its bytes were moved
    /// away.
    pub(crate) fn attached(&self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        let value = self.target(env)?;
        if value.is_null() || is_detached(env, value)? { Ok(ptr::null_mut()) } else { Ok(value) }
    }

    /// The `ArrayBuffer`; null if it was collected, or if there is no reference.
    fn target(&self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        let reference = self.array_buffer.load(Ordering::Relaxed);
        let mut value = ptr::null_mut();
        if !reference.is_null() {
            // SAFETY: a reference that is not null is alive; `value` is a place to write to.
            check(unsafe { sys::napi_get_reference_value(env, reference, &raw mut value) })?;
        }
        Ok(value)
    }
}

fn is_detached(env: sys::napi_env, array_buffer: sys::napi_value) -> Outcome<bool> {
    let mut detached = false;
    // SAFETY: `detached` is a place to write to.
    check(unsafe { sys::napi_is_detached_arraybuffer(env, array_buffer, &raw mut detached) })?;
    Ok(detached)
}

/// Called once when a backing store is gone, or when its environment ends.
unsafe extern "C" fn finalize_store(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    let control = hint.cast::<ControlBlock>().cast_const();
    // Nothing here panics; if it did, then not into the runtime's C++.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `ControlBlock::create` left a count to this finalizer, which lives until the end of it.
        if unsafe { &*control }.shared.store() == Store::NotCreated {
            return;
        }
        // SAFETY: this is the end of the backing store, which comes once: the count is given up.
        let control = unsafe { Arc::from_raw(control) };
        control.store_ended(env);
    }));
}
