//! `Slot`: the native, finalizer-safe handle class.

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use napi::bindgen_prelude::{BigInt, Env, FromNapiValue, JsValue, ObjectFinalize, This, Unknown};
use napi::sys;
use napi_derive::napi;

use super::block_pool::BlockPool;
use super::incremental_block::IncrementalBlock;
use crate::fill::fill;
use crate::napi::environment::Environment;
use crate::napi::node_api::arguments::{
    Bytes, address_as_number, address_of, byte_of, index_of, init_of, length_of, options_of,
};
use crate::napi::node_api::event_loop::User;
use crate::napi::node_api::failure::{Failure, Outcome, check, throwing};
use crate::napi::state::slots::SlotRef;
use crate::napi::{lifecycle, owner_changes, resize, viewed};
use crate::residency::resident_bytes;

/// The owner of slots that no raw call names.
const NOBODY: u32 = 0;

/// A native handle for at most one block of C memory. Safe by itself: the block is freed once, by
/// `free()`, or when the slot is garbage-collected; a slot can be used again after `free()`.
///
/// `NativeBuffer` is the handle to use; it is built on slots.
#[napi(custom_finalize)]
pub struct Slot {
    environment: Rc<Environment>,
    /// The number of its entry.
    index: u32,
    /// Whether the slot's entry has been given back.
    is_closed: Cell<bool>,
}

#[napi]
impl Slot {
    /// A slot without a block. The raw calls whose `owner` is given can name it.
    #[napi(constructor)]
    pub fn new(env: Env, this: This, owner: Option<u32>) -> napi::Result<Self> {
        throwing(env, || {
            let env = env.raw();
            must_be_constructed(env, this.raw())?;
            let environment = Environment::of(env)?;
            let index = lifecycle::open(&environment, owner.unwrap_or(NOBODY), this.raw())?;
            Ok(Self { environment, index, is_closed: Cell::new(false) })
        })
    }

    /// Allocates `byteLength` resident bytes. They hold anything, or the byte `fill` everywhere. Their address is a
    /// multiple of `align`, a power of two up to 4 GiB. If they are `lazy`, they become resident on first use, unless they
    /// are filled with another byte than 0; if they are `secure`, they are locked in memory, left out of core dumps, and
    /// wiped at their end.
    ///
    /// Throws `ERR_OUT_OF_RANGE`, `ERR_CMALLOC_OUT_OF_MEMORY`, `ERR_CMALLOC_LOCK_LIMIT`,
    /// `ERR_FEATURE_UNAVAILABLE_ON_PLATFORM`, and `ERR_INVALID_STATE` if the slot has a block already.
    #[napi]
    pub fn allocate(
        &self,
        env: Env,
        byte_length: f64,
        fill: Option<f64>,
        align: Option<f64>,
        lazy: Option<bool>,
        secure: Option<bool>,
    ) -> napi::Result<()> {
        self.run(env, |environment, slot| {
            let init = init_of(fill)?;
            let len = length_of(byte_length)?;
            let options = options_of(init, align, lazy == Some(true), secure == Some(true))?;
            lifecycle::allocate(environment, slot, len, init, options.attributes())
        })
    }

    /// Takes a block of `byteLength` bytes from a pool, to which it goes back at its end. It holds anything, or the byte
    /// `fill` everywhere. Returns its address, or -1 if a number cannot hold it.
    ///
    /// Throws as `allocate` does, and `ERR_CMALLOC_FREED` if the pool was closed.
    #[napi]
    pub fn allocate_from(&self, env: Env, pool: &BlockPool, byte_length: f64, fill: Option<f64>) -> napi::Result<f64> {
        self.run(env, |environment, slot| {
            lifecycle::allocate_from(environment, slot, &pool.pool, length_of(byte_length)?, init_of(fill)?)?;
            Ok(address_as_number(self.parts()?.0.as_ptr().expose_provenance()))
        })
    }

    /// Takes over a block that has become resident; the rest of it is made so.
    ///
    /// Throws `ERR_CMALLOC_FREED` if it is gone, `ERR_CMALLOC_OUT_OF_MEMORY`, and `ERR_INVALID_STATE` if the slot has a
    /// block already.
    #[napi]
    pub fn adopt(&self, env: Env, incremental: &IncrementalBlock) -> napi::Result<()> {
        self.run(env, |environment, slot| {
            lifecycle::must_be_idle(slot)?;
            lifecycle::put(environment, slot, incremental.finish()?.into(), |counters| &counters.allocations);
            Ok(())
        })
    }

    /// Takes over a block that C's `malloc` made, resized to `byteLength`. Returns whether it could not be resized, so
    /// that it is as long as it was, at most `byteLength`. `claimed` says that `beginConsume` was called for it.
    ///
    /// Unsafe as `beginConsume` is.
    ///
    /// Throws `ERR_CMALLOC_ALREADY_OWNED`, `ERR_CMALLOC_OUT_OF_MEMORY`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE`, and
    /// `ERR_INVALID_STATE` if the slot has a block already; the block is then still the caller's.
    #[napi]
    pub fn consume(&self, env: Env, address: BigInt, byte_length: f64, claimed: Option<bool>) -> napi::Result<bool> {
        self.run(env, |environment, slot| {
            let start = address_of(&address)?;
            let len = length_of(byte_length)?;
            // SAFETY: the documentation passes the contract on to the caller; JavaScript cannot do more.
            unsafe { owner_changes::consume(environment, slot, start, len, claimed == Some(true)) }
        })
    }

    /// Frees the block, or gives it back to its pool, and detaches its `ArrayBuffer`.
    ///
    /// If there is an `ArrayBuffer`, and a request is in flight or a network handle open that may be using its bytes, the
    /// block is let go: the `ArrayBuffer` stays as it is, and the block ends as soon as nobody has that any more; likewise
    /// if its bytes were transferred.
    ///
    /// Returns 0 if the block has ended; 1 if it was let go because a network handle is open, 2 because a request is in
    /// flight.
    ///
    /// Throws `ERR_CMALLOC_FREED` if there is none.
    #[napi]
    pub fn free(&self, env: Env) -> napi::Result<u32> {
        self.run(env, lifecycle::free).map(User::number)
    }

    /// Frees the block as `free` does, whatever is in flight: for who knows that nobody is using its bytes.
    ///
    /// Throws as `free` does.
    #[napi]
    pub fn free_now(&self, env: Env) -> napi::Result<()> {
        self.run(env, lifecycle::free_now)
    }

    /// Gives the block away and returns its address: C code must `free()` it now.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED`, and `ERR_CMALLOC_SECURE` for a secure block.
    #[napi]
    pub fn release(&self, env: Env) -> napi::Result<BigInt> {
        self.run(env, |environment, slot| Ok(BigInt::from(owner_changes::release(environment, slot)? as u64)))
    }

    /// Resizes the block, keeping its contents; new bytes hold anything. Detaches its `ArrayBuffer`; or copies the block,
    /// and lets the old one go as `free` does, if somebody may be using its bytes. Returns what `free` does.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_OUT_OF_RANGE`, `ERR_CMALLOC_OUT_OF_MEMORY`, and `ERR_CMALLOC_LOCK_LIMIT` for a
    /// secure block.
    #[napi]
    pub fn resize(&self, env: Env, byte_length: f64) -> napi::Result<u32> {
        self.run(env, |environment, slot| resize::resize(environment, slot, length_of(byte_length)?)).map(User::number)
    }

    /// Resizes the block for its next owner, as `consume` does: returns whether it could not be
    /// resized, so that it is as long as it was, at most `byteLength`.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED`, `ERR_OUT_OF_RANGE` and `ERR_CMALLOC_OUT_OF_MEMORY`.
    #[napi]
    pub fn transfer(&self, env: Env, byte_length: f64) -> napi::Result<bool> {
        self.run(env, |environment, slot| owner_changes::transfer(environment, slot, length_of(byte_length)?))
    }

    /// Leaves the block to the slot, in whichever thread, that takes it over with the same ticket.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED`, and `ERR_CMALLOC_BAD_TICKET` if a block waits for
    /// that ticket already.
    #[napi]
    pub fn hand_over(&self, env: Env, ticket: String) -> napi::Result<()> {
        self.run(env, |environment, slot| owner_changes::hand_over(environment, slot, ticket))
    }

    /// Takes over the block that was handed over with this ticket.
    ///
    /// Throws `ERR_CMALLOC_BAD_TICKET` if there is none, and `ERR_INVALID_STATE` if the slot has a block.
    #[napi]
    pub fn take_over(&self, env: Env, ticket: String) -> napi::Result<()> {
        self.run(env, |environment, slot| owner_changes::take_over(environment, slot, &ticket))
    }

    /// The `ArrayBuffer` over the block: no copy, and the same one until `free`, `release` or `resize`.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED` and `ERR_CMALLOC_NO_EXTERNAL_BUFFERS`.
    #[napi(ts_return_type = "ArrayBuffer")]
    pub fn buffer(&self, env: Env) -> napi::Result<Unknown<'_>> {
        let value = self.run(env, viewed::buffer)?;
        // SAFETY: `buffer` returned a value of this environment and of the current scope.
        unsafe { Unknown::from_napi_value(env.raw(), value) }
    }

    /// Fills the bytes from `start` to `end` with `pattern`, repeated; the last repetition is cut.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_OUT_OF_RANGE`, and `ERR_INVALID_ARG_VALUE` if the pattern is empty.
    #[napi]
    pub fn fill(
        &self,
        env: Env,
        #[napi(ts_arg_type = "Uint8Array")] pattern: Bytes,
        start: f64,
        end: f64,
    ) -> napi::Result<()> {
        self.run(env, |_, _| {
            if pattern.len == 0 {
                return Err(Failure::empty_pattern());
            }
            let (block, start, len) = self.part(start, end)?;
            // SAFETY: `part` checked the bounds; the pattern is a view that JavaScript keeps alive during the call, perhaps
            // one over this block.
            unsafe { fill(block.as_ptr().add(start), len, pattern.start, pattern.len, 0) };
            Ok(())
        })
    }

    /// Fills the bytes from `start` to `end` with one byte. Throws as `fill` does.
    #[napi]
    pub fn fill_byte(&self, env: Env, byte: f64, start: f64, end: f64) -> napi::Result<()> {
        self.run(env, |_, _| {
            let byte = byte_of(byte)?;
            let (block, start, len) = self.part(start, end)?;
            // SAFETY: `part` checked the bounds.
            unsafe { fill(block.as_ptr().add(start), len, &raw const byte, 1, 0) };
            Ok(())
        })
    }

    /// Copies the whole of `bytes` into the block, from `start` on.
    ///
    /// Throws `ERR_CMALLOC_FREED`, and `ERR_OUT_OF_RANGE` if there are more bytes than the block has there.
    #[napi]
    pub fn write(&self, env: Env, #[napi(ts_arg_type = "Uint8Array")] bytes: Bytes, start: f64) -> napi::Result<()> {
        self.run(env, |_, _| {
            let (block, start, len) = self.part(start, start + bytes.len as f64)?;
            // SAFETY: `part` checked that the block has room; the bytes are a view that JavaScript
            // keeps alive during the call, perhaps one over this block.
            unsafe { ptr::copy(bytes.start, block.as_ptr().add(start), len) };
            Ok(())
        })
    }

    /// Copies as many bytes as `into` has room for out of the block, from `start` on. Makes no `ArrayBuffer` over it.
    ///
    /// Throws `ERR_CMALLOC_FREED`, and `ERR_OUT_OF_RANGE` if the block has not that many.
    #[napi]
    pub fn read(&self, env: Env, #[napi(ts_arg_type = "Uint8Array")] into: Bytes, start: f64) -> napi::Result<()> {
        self.run(env, |_, _| {
            let (block, start, len) = self.part(start, start + into.len as f64)?;
            // SAFETY: `part` checked the bounds; `into` is a view that JavaScript keeps alive during the call, perhaps
            // one over this block.
            unsafe { ptr::copy(block.as_ptr().add(start), into.start, len) };
            Ok(())
        })
    }

    /// Copies the bytes from `start` to `end` of another slot's block to the beginning of this one's.
    ///
    /// Throws as `write` does.
    #[napi]
    pub fn copy_from(&self, env: Env, source: &Slot, start: f64, end: f64) -> napi::Result<()> {
        self.run(env, |_, _| {
            let (from, start, len) = source.part(start, end)?;
            let (to, ..) = self.part(0.0, len as f64)?;
            // SAFETY: `part` checked both bounds; the two may be the same block.
            unsafe { ptr::copy(from.as_ptr().add(start), to.as_ptr(), len) };
            Ok(())
        })
    }

    /// The block's own bytes that lie in resident pages, asked of the system.
    ///
    /// Throws `ERR_CMALLOC_FREED`, and `ERR_FEATURE_UNAVAILABLE_ON_PLATFORM` where it cannot tell.
    #[napi]
    pub fn resident_bytes(&self, env: Env) -> napi::Result<f64> {
        self.run(env, |_, _| {
            let (start, len) = self.parts()?;
            // SAFETY: the slot holds the block, whose bytes are mapped.
            match unsafe { resident_bytes(start.as_ptr(), len) } {
                Ok(bytes) => Ok(bytes as f64),
                Err(error) => Err(Failure::unsupported(format!("The system does not tell what is resident: {error}"))),
            }
        })
    }

    /// Whether other JavaScript than the slot's own `ArrayBuffer` may reach the bytes.
    #[napi(getter)]
    pub fn escaped(&self, env: Env) -> napi::Result<bool> {
        self.run(env, viewed::has_escaped)
    }

    /// The block's address; 0n if there is none.
    #[napi(getter)]
    pub fn address(&self) -> BigInt {
        BigInt::from(self.parts().map_or(0, |(start, _)| start.as_ptr().expose_provenance() as u64))
    }

    /// The block's length in bytes; 0 if there is none.
    #[napi(getter)]
    pub fn byte_length(&self) -> f64 {
        self.parts().map_or(0.0, |(_, len)| len as f64)
    }

    /// Whether there is no block.
    #[napi(getter)]
    pub fn freed(&self) -> bool {
        self.parts().is_err()
    }

    /// The slot's number for the raw calls; stale as soon as the block is freed, released or resized.
    /// -1 if the slot has none left, after 2^27 blocks.
    #[napi(getter)]
    pub fn key(&self) -> f64 {
        self.slot().key()
    }

    pub(super) fn slot(&self) -> SlotRef<'_> {
        self.environment.slots.get(self.index)
    }

    fn parts(&self) -> Outcome<(NonNull<u8>, usize)> {
        self.slot().parts().ok_or_else(Failure::freed)
    }

    /// The block, and the start and length of the part from `start` to `end`.
    fn part(&self, start: f64, end: f64) -> Outcome<(NonNull<u8>, usize, usize)> {
        let (block, len) = self.parts()?;
        let (Some(start), Some(end)) = (index_of(start), index_of(end).filter(|end| *end <= len)) else {
            return Err(Failure::out_of_range(format!("{start} to {end} is no part of a block of {len} bytes")));
        };
        if start > end {
            return Err(Failure::out_of_range(format!("The start {start} lies behind the end {end}")));
        }
        Ok((block, start, end - start))
    }

    fn run<T>(&self, env: Env, operation: impl FnOnce(&Environment, SlotRef<'_>) -> Outcome<T>) -> napi::Result<T> {
        throwing(env, || operation(&self.environment, self.slot()))
    }
}

impl ObjectFinalize for Slot {
    fn finalize(self, _env: Env) -> napi::Result<()> {
        self.is_closed.set(true);
        lifecycle::close(&self.environment, self.slot());
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // If `finalize` has not run, the constructor failed after making this.
        if !self.is_closed.get() {
            lifecycle::close(&self.environment, self.slot());
        }
    }
}

/// `Slot()` without `new` has the global object as `this`, which must not become a slot.
fn must_be_constructed(env: sys::napi_env, this: sys::napi_value) -> Outcome<()> {
    let mut global = ptr::null_mut();
    let mut called = false;
    // SAFETY: both places to write to are locals; `this` is of the current scope.
    unsafe {
        check(sys::napi_get_global(env, &raw mut global))?;
        check(sys::napi_strict_equals(env, this, global, &raw mut called))?;
    }
    if called { Err(Failure::wrong_type("Slot is a class: it cannot be called without new")) } else { Ok(()) }
}

/// Claims a block that C's `malloc` made: until `Slot.consume` or `endConsume` is called for it, nobody else can
/// consume it. Touches nothing.
///
/// Unsafe: `address` must be a live block of this process's C allocator that nobody else uses or frees from now on.
///
/// Throws `ERR_CMALLOC_ALREADY_OWNED`, `ERR_CMALLOC_OUT_OF_MEMORY`, `ERR_OUT_OF_RANGE` and `ERR_INVALID_ARG_VALUE`.
#[napi]
pub fn begin_consume(env: Env, address: BigInt, byte_length: f64) -> napi::Result<()> {
    throwing(env, || {
        let environment = Environment::of(env.raw())?;
        let start = address_of(&address)?;
        let len = length_of(byte_length)?;
        // SAFETY: the documentation passes the contract on to the caller; JavaScript cannot do more.
        unsafe { owner_changes::begin_consume(&environment, start, len) }
    })
}

/// Gives up what `beginConsume` claimed. Throws `ERR_OUT_OF_RANGE` and `ERR_INVALID_ARG_VALUE`.
#[napi]
pub fn end_consume(env: Env, address: BigInt) -> napi::Result<()> {
    throwing(env, || {
        owner_changes::end_consume(address_of(&address)?);
        Ok(())
    })
}
