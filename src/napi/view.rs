//! Control blocks: what stands between a block and the `ArrayBuffer` over it.
//!
//! As soon as there is an `ArrayBuffer` over a block, two may hold its bytes: the slot, and the
//! backing store, which JavaScript can move away from the `ArrayBuffer` that we made
//! (`ab.transfer()`, streams, other threads). So the block moves to a [`Control`] of its own, which
//! both hold. It is freed when both have let go, or at once when our own detach succeeded: then no
//! JavaScript can reach the bytes any more.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, ThreadId};

use napi::sys;

use super::environment::Environment;
use super::external::create_array_buffer;
use super::failure::{Failure, Outcome, check};
use super::holders::{Holders, Rest, Store};
use super::home::Homed;
use super::ownership;
use super::scope::in_scope;
use super::stores::Stores;
use crate::Block;
use crate::sync::{AtomicPtr, Ordering};

/// The holders of a block that has an `ArrayBuffer`, and the block.
///
/// The backing store's finalizer is given a pointer to this, never a slot's number or an address,
/// so that it cannot mean anything else by the time it runs. It may run in any thread.
pub(crate) struct Control {
    holders: Holders<Homed>,
    /// A reference to the `ArrayBuffer`, until its bytes are no longer under it or nobody asks any more; then null.
    /// Only the environment's thread uses what it points to.
    array_buffer: AtomicPtr<sys::napi_ref__>,
    /// Whether the reference keeps the `ArrayBuffer` from being collected now.
    holds: AtomicBool,
    /// Whether sweeps ask for the `ArrayBuffer` as long as anybody holds the block. See [`View::create`].
    swept: bool,
    /// The entry that lent the block.
    index: u32,
    /// How many bytes the block has.
    len: usize,
    /// Whether the slot has let go of the block.
    orphaned: AtomicBool,
    /// Whether the collector calls the store's finalizer.
    ends_in_collector: bool,
    /// The environment's thread.
    thread: ThreadId,
}

/// Why a slot lets go of a block that has an `ArrayBuffer`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Departure {
    /// It was collected, or its bytes are elsewhere.
    Ended,
    /// It was freed while somebody may be using the bytes.
    InUse,
}

/// A slot's side of an `ArrayBuffer` over its block.
pub(crate) struct View(pub(super) Arc<Control>);

impl Control {
    /// Whether the block is still here: neither taken back by its slot, nor freed or leaked.
    pub(super) fn has_block(&self) -> bool {
        self.holders.has_block()
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// The block's bytes, if its slot has let go of it.
    pub(super) fn orphaned_len(&self) -> Option<usize> {
        self.orphaned.load(Ordering::Relaxed).then_some(self.len)
    }

    /// Notes, as the environment begins to go down, whether the bytes never left their `ArrayBuffer`.
    pub(super) fn note_end(&self, env: sys::napi_env) {
        self.holders.note_end(self.is_attached(env));
    }

    /// The slot lets go of the block. Returns it if nobody else holds it.
    fn orphan(&self, env: sys::napi_env) -> Option<Homed> {
        // As the environment ends the reference stays: nothing more may be collected before it is known
        // whose the bytes are.
        if runs_javascript(env) {
            if self.swept {
                self.weaken(env);
            } else {
                self.delete_reference(env);
            }
        }
        self.leave(Departure::Ended)
    }

    /// [`orphan`](Self::orphan) as the environment ends, without a word to the runtime; or while somebody may be using
    /// the bytes, so that the reference stays as it is until the next sweep or turn of the loop.
    fn leave(&self, departure: Departure) -> Option<Homed> {
        self.orphaned.store(true, Ordering::Relaxed);
        self.holders.slot_ended(|block| {
            ownership::lock().add_orphan(block.as_ptr().addr(), block.len(), departure == Departure::InUse);
        })
    }

    /// Lets the `ArrayBuffer` be collected. Returns whether it was kept from that.
    pub(super) fn weaken(&self, env: sys::napi_env) -> bool {
        let reference = self.array_buffer.load(Ordering::Relaxed);
        if reference.is_null() || !self.holds.swap(false, Ordering::Relaxed) {
            return false;
        }
        let mut count = 0;
        // SAFETY: a reference that is not null is alive; `holds` said that its count was 1.
        unsafe { sys::napi_reference_unref(env, reference, &raw mut count) };
        true
    }

    /// Keeps the `ArrayBuffer` from being collected.
    pub(super) fn hold(&self, env: sys::napi_env) {
        let reference = self.array_buffer.load(Ordering::Relaxed);
        if reference.is_null() || self.holds.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut count = 0;
        // SAFETY: a reference that is not null is alive; `holds` said that its count was 0.
        unsafe { sys::napi_reference_ref(env, reference, &raw mut count) };
    }

    /// Whether the `ArrayBuffer` is gone.
    pub(super) fn is_collected(&self, env: sys::napi_env) -> bool {
        let reference = self.array_buffer.load(Ordering::Relaxed);
        let mut value = ptr::null_mut();
        // SAFETY: a reference that is not null is alive; `value` is a place to write to.
        !reference.is_null()
            && unsafe { sys::napi_get_reference_value(env, reference, &raw mut value) } == sys::Status::napi_ok
            && value.is_null()
    }

    /// Takes the block, which nobody can reach any more: its `ArrayBuffer` had the bytes, and is gone. `None` if its
    /// store's finalizer was first.
    pub(super) fn take_unreachable(&self, env: sys::napi_env) -> Option<Homed> {
        self.delete_reference(env);
        self.holders.take()
    }

    /// Lets go of the `ArrayBuffer`.
    fn delete_reference(&self, env: sys::napi_env) {
        let reference = self.array_buffer.swap(ptr::null_mut(), Ordering::Relaxed);
        if !reference.is_null() {
            // SAFETY: the reference was just taken out, so that it is deleted once.
            unsafe { sys::napi_delete_reference(env, reference) };
        }
    }

    /// The backing store is gone, or its environment goes down.
    fn store_ended(&self, env: sys::napi_env) {
        if self.ends_in_collector || thread::current().id() != self.thread {
            // The runtime takes no word here: from its collector (Deno), or in the thread that the bytes were moved to
            // (Bun). Only a store that is gone ends there. The reference is left to the slot.
            return Self::settle(self.holders.store_ended(|| true));
        }
        Self::settle(self.holders.store_ended(|| ends_by_itself(env)));
        self.delete_reference(env);
    }

    fn settle(rest: Option<Rest<Homed>>) {
        if let Some(Rest::Free(block) | Rest::Leak(block)) = &rest {
            ownership::lock().remove_orphan(block.as_ptr().addr());
        }
        if let Some(Rest::Leak(block)) = rest {
            let (start, len, _) = block.into_block().into_parts();
            ownership::lock().add_leaked(start.as_ptr().addr(), len);
        }
    }

    /// Whether the bytes are still under the `ArrayBuffer` that was made for them. In a scope of the caller's.
    pub(super) fn is_attached_here(&self, env: sys::napi_env) -> bool {
        self.attached(env).is_ok_and(|value| !value.is_null())
    }

    /// Likewise, in a scope of its own.
    fn is_attached(&self, env: sys::napi_env) -> bool {
        in_scope(env, || self.is_attached_here(env)).unwrap_or(false)
    }

    /// The `ArrayBuffer`, if it is still the one that holds the bytes; else null.
    fn attached(&self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        let reference = self.array_buffer.load(Ordering::Relaxed);
        let mut value = ptr::null_mut();
        if reference.is_null() {
            return Ok(value);
        }
        // SAFETY: a reference that is not null is alive; `value` is a place to write to.
        check(unsafe { sys::napi_get_reference_value(env, reference, &raw mut value) })?;
        if value.is_null() || is_detached(env, value)? { Ok(ptr::null_mut()) } else { Ok(value) }
    }
}

impl View {
    /// Makes an `ArrayBuffer` over the block that the entry `index` lent. On an error the block comes back.
    ///
    /// The `ArrayBuffer` is not collected before the event loop turns, or a sweep looks at it: once it is gone, nobody
    /// can tell any more whether its bytes had been moved away. For the same reason a thread that can be ended at any
    /// moment, when what its stack held is garbage, keeps it.
    pub(crate) fn create(
        env: sys::napi_env,
        block: Homed,
        index: u32,
        stores: &Stores,
    ) -> Result<(Self, sys::napi_value), (Failure, Block)> {
        let (start, len) = (block.as_ptr(), block.len());
        let swept = stores.are_swept();
        let control = Arc::new(Control {
            holders: Holders::new(block),
            array_buffer: AtomicPtr::new(ptr::null_mut()),
            holds: AtomicBool::new(swept),
            swept,
            index,
            len,
            orphaned: AtomicBool::new(false),
            ends_in_collector: stores.end_in_collector(),
            thread: thread::current().id(),
        });
        let take_back = |failure| match control.holders.take() {
            Some(block) => (failure, block.into_block()),
            None => unreachable!("an unborn store takes nothing"),
        };
        // This count is the backing store's. Should the runtime fail, it stays, some 100 bytes: a
        // finalizer that comes late must still find something to read.
        let hint = Arc::into_raw(Arc::clone(&control)).cast_mut().cast::<c_void>();
        let mut value = ptr::null_mut();
        // SAFETY: the bytes live until the control block frees them, which it does not before this
        // backing store has ended or our own detach has emptied it.
        let status = unsafe { create_array_buffer(env, start.cast(), len, finalize_store, hint, &raw mut value) };
        if status != sys::Status::napi_ok {
            clear_exception(env);
            return Err(take_back(Failure::no_external_buffers(
                if status == sys::Status::napi_no_external_buffers_allowed {
                    "it allows no external memory"
                } else {
                    "it is longer than the longest one (buffer.constants.MAX_LENGTH)"
                },
            )));
        }
        let mut array_buffer = ptr::null_mut();
        let count = u32::from(swept);
        // SAFETY: `value` is the ArrayBuffer that was just made.
        if let Err(failure) = check(unsafe { sys::napi_create_reference(env, value, count, &raw mut array_buffer) }) {
            // SAFETY: likewise; nobody has seen it yet, so that it can be detached.
            unsafe { sys::napi_detach_arraybuffer(env, value) };
            return Err(take_back(failure));
        }
        control.array_buffer.store(array_buffer, Ordering::Relaxed);
        control.holders.store_is_born();
        Ok((Self(control), value))
    }

    /// The `ArrayBuffer`, if it is still the one that holds the bytes; null if it was collected or
    /// its bytes were moved away.
    pub(crate) fn attached(&self, env: sys::napi_env) -> Outcome<sys::napi_value> {
        self.0.attached(env)
    }

    /// Makes sure that no JavaScript can reach the bytes any more, if that can be done.
    ///
    /// `transfer` is the captured `ArrayBuffer.prototype.transfer` or null. It is preferred, because
    /// `napi_detach_arraybuffer` aborts the process where the buffer was marked as untransferable.
    pub(crate) fn detach(&self, env: sys::napi_env, transfer: sys::napi_ref) -> bool {
        let Ok(value) = self.attached(env) else { return false };
        if value.is_null() {
            return self.0.holders.store() == Store::Gone;
        }
        if transfer.is_null() {
            // SAFETY: `value` is an attached ArrayBuffer.
            unsafe { sys::napi_detach_arraybuffer(env, value) };
        } else {
            call_transfer(env, value, transfer);
        }
        is_detached(env, value).unwrap_or(false)
    }

    /// The block, after [`detach`](Self::detach) has succeeded.
    pub(crate) fn into_block(self, env: sys::napi_env) -> Option<Block> {
        self.0.delete_reference(env);
        self.0.holders.take().map(Homed::into_block)
    }

    /// Whether this is the slot's side of a control block.
    pub(super) fn is_of(&self, control: &Arc<Control>) -> bool {
        Arc::ptr_eq(&self.0, control)
    }

    /// Whether some backing store may still have the bytes.
    pub(crate) fn store_is_held(&self) -> bool {
        self.0.holders.store() == Store::Held
    }

    /// Lets go of the block, and leaves it to its backing store. Returns it if that is gone.
    pub(crate) fn orphan(self, env: sys::napi_env) -> Option<Homed> {
        self.0.orphan(env)
    }

    /// [`orphan`](Self::orphan), while somebody may be using the bytes. The `ArrayBuffer` is kept, if it was, until a sweep
    /// or the next turn of the event loop.
    pub(crate) fn let_go(self) -> Option<Homed> {
        self.0.leave(Departure::InUse)
    }

    /// [`orphan`](Self::orphan) as the environment ends, without a word to the runtime.
    pub(crate) fn leave(self) -> Option<Homed> {
        self.0.leave(Departure::Ended)
    }
}

fn is_detached(env: sys::napi_env, array_buffer: sys::napi_value) -> Outcome<bool> {
    let mut detached = false;
    // SAFETY: `detached` is a place to write to.
    check(unsafe { sys::napi_is_detached_arraybuffer(env, array_buffer, &raw mut detached) })?;
    Ok(detached)
}

/// `transfer.call(array_buffer, 0)`: moves the buffer to one of no bytes, which drops them.
fn call_transfer(env: sys::napi_env, array_buffer: sys::napi_value, transfer: sys::napi_ref) {
    let mut zero = ptr::null_mut();
    // SAFETY: `zero` is a place to write to.
    unsafe { sys::napi_create_int32(env, 0, &raw mut zero) };
    call_captured(env, array_buffer, transfer, zero);
}

/// `function.call(this, argument)`, of a function that was captured as the environment was created.
pub(super) fn call_captured(
    env: sys::napi_env,
    this: sys::napi_value,
    function: sys::napi_ref,
    argument: sys::napi_value,
) {
    let mut value = ptr::null_mut();
    let mut result = ptr::null_mut();
    // SAFETY: every place to write to is a local; the reference is strong and never deleted.
    let status = unsafe {
        sys::napi_get_reference_value(env, function, &raw mut value);
        sys::napi_call_function(env, this, value, 1, &raw const argument, &raw mut result)
    };
    if status != sys::Status::napi_ok {
        clear_exception(env);
    }
}

fn clear_exception(env: sys::napi_env) {
    let mut pending = false;
    let mut exception = ptr::null_mut();
    // SAFETY: both are places to write to.
    unsafe {
        sys::napi_is_exception_pending(env, &raw mut pending);
        if pending {
            sys::napi_get_and_clear_last_exception(env, &raw mut exception);
        }
    }
}

/// Called once when a backing store is gone, or when its environment ends.
unsafe extern "C" fn finalize_store(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    let control = hint.cast::<Control>().cast_const();
    // Nothing here panics; if it did, then not into the runtime's C++.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `View::create` left a count to this finalizer, which lives until the end of it.
        if unsafe { &*control }.holders.store() == Store::Unborn {
            return;
        }
        // SAFETY: this is the end of the backing store, which comes once: the count is given up.
        let control = unsafe { Arc::from_raw(control) };
        control.store_ended(env);
    }));
}

/// Whether a backing store whose finalizer is being called has ended for certain, and not just its environment.
fn ends_by_itself(env: sys::napi_env) -> bool {
    Environment::of(env).is_ok_and(|environment| environment.stores.end_by_themselves()) || runs_javascript(env)
}

/// Whether the environment still runs JavaScript; it does not while it is torn down.
fn runs_javascript(env: sys::napi_env) -> bool {
    unsafe extern "C" fn nothing(_: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
        ptr::null_mut()
    }
    // Deno, which ends that first, would abort the process for what follows.
    if Environment::of(env).is_err() {
        return false;
    }
    let call = || {
        let mut function = ptr::null_mut();
        let mut this = ptr::null_mut();
        let mut result = ptr::null_mut();
        // SAFETY: every place to write to is a local.
        unsafe {
            sys::napi_create_function(env, ptr::null(), 0, Some(nothing), ptr::null_mut(), &raw mut function)
                == sys::Status::napi_ok
                && sys::napi_get_undefined(env, &raw mut this) == sys::Status::napi_ok
                && sys::napi_call_function(env, this, function, 0, ptr::null(), &raw mut result) == sys::Status::napi_ok
        }
    };
    in_scope(env, call).unwrap_or(false)
}
