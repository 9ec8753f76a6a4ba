//! `Slot`: the native, finalizer-safe handle class.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use napi::bindgen_prelude::{BigInt, Env, FromNapiValue, JsValue, ObjectFinalize, This, Unknown};
use napi::sys;
use napi_derive::napi;
use zeroize::Zeroizing;

use super::environment::Environment;
use super::failure::{Failure, Outcome, check};
use super::growing::GrowingBlock;
use super::hot::address_as_number;
use super::lifecycle::Init;
use super::pool::BlockPool;
use super::table::{Place, exact_integer};
use crate::residency::resident_bytes;
use crate::{Alignment, BlockOptions};

/// A native handle for at most one block of C memory. Safe by itself: the block is freed once, by
/// `free()`, or when the slot is garbage-collected; a slot can be used again after `free()`.
///
/// `NativeBuffer` is the handle to use; it is built on slots.
#[napi(custom_finalize)]
pub struct Slot {
    environment: Rc<Environment>,
    index: u32,
    env: sys::napi_env,
    /// Whether the slot's entry has been given back.
    gone: Cell<bool>,
}

#[napi]
impl Slot {
    /// A slot without a block.
    #[napi(constructor)]
    pub fn new(env: Env, this: This) -> napi::Result<Self> {
        let env = env.raw();
        let occupy = || {
            must_be_constructed(env, this.raw())?;
            let environment = Environment::of(env)?;
            let index = environment.slots.occupy().ok_or_else(|| Failure::out_of_range("There are too many slots"))?;
            let slot = Self { environment, index, env, gone: Cell::new(false) };
            slot.environment.watch(env, index, this.raw())?;
            Ok(slot)
        };
        occupy().map_err(|failure: Failure| failure.thrown(env))
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
        self.run(env, |environment, env| {
            let init = fill.map_or(Ok(Init::Uninit), |byte| byte_of(byte).map(Init::Byte))?;
            let len = length_of(byte_length)?;
            let options = options_of(init, align, lazy == Some(true), secure == Some(true))?;
            environment.allocate(env, self.place(), len, init, options.attributes())
        })
    }

    /// Takes a block of `byteLength` bytes from a pool, to which it goes back at its end. It holds anything, or the byte
    /// `fill` everywhere. Returns its address, or -1 if a number cannot hold it.
    ///
    /// Throws as `allocate` does, and `ERR_CMALLOC_FREED` if the pool was closed.
    #[napi]
    pub fn allocate_from(&self, env: Env, pool: &BlockPool, byte_length: f64, fill: Option<f64>) -> napi::Result<f64> {
        self.run(env, |environment, env| {
            let init = fill.map_or(Ok(Init::Uninit), |byte| byte_of(byte).map(Init::Byte))?;
            environment.allocate_from(env, self.place(), &pool.pool, length_of(byte_length)?, init)?;
            Ok(address_as_number(self.parts()?.0.as_ptr().expose_provenance()))
        })
    }

    /// Takes over a block that has become resident; the rest of it is made so.
    ///
    /// Throws `ERR_CMALLOC_FREED` if it is gone, `ERR_CMALLOC_OUT_OF_MEMORY`, and `ERR_INVALID_STATE` if the slot has a
    /// block already.
    #[napi]
    pub fn adopt(&self, env: Env, growing: &GrowingBlock) -> napi::Result<()> {
        self.run(env, |environment, env| environment.adopt(env, self.place(), growing))
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
        self.run(env, |environment, env| {
            let start = address_of(&address)?;
            let len = length_of(byte_length)?;
            // SAFETY: the documentation passes the contract on to the caller; JavaScript cannot do
            // more.
            unsafe { environment.consume(env, self.place(), start, len, claimed == Some(true)) }
        })
    }

    /// Frees the block, or gives it back to its pool, and detaches its `ArrayBuffer`.
    ///
    /// If there is an `ArrayBuffer`, and a request is in flight or a network handle open that may be using its bytes, the
    /// block is let go: the `ArrayBuffer` stays as it is, and the block ends as soon as nobody has that any more; likewise
    /// if its bytes were transferred.
    ///
    /// Throws `ERR_CMALLOC_FREED` if there is none.
    #[napi]
    pub fn free(&self, env: Env) -> napi::Result<()> {
        self.run(env, |environment, env| environment.free(env, self.place()))
    }

    /// Frees the block as `free` does, whatever is in flight: for who knows that nobody is using its bytes.
    ///
    /// Throws as `free` does.
    #[napi]
    pub fn free_now(&self, env: Env) -> napi::Result<()> {
        self.run(env, |environment, env| environment.free_now(env, self.place()))
    }

    /// Gives the block away and returns its address: C code must `free()` it now.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED`, and `ERR_CMALLOC_SECURE` for a secure block.
    #[napi]
    pub fn release(&self, env: Env) -> napi::Result<BigInt> {
        self.run(env, |environment, env| Ok(BigInt::from(environment.release(env, self.place())? as u64)))
    }

    /// Resizes the block, keeping its contents; new bytes hold anything. Detaches its `ArrayBuffer`; or copies the block,
    /// and lets the old one go as `free` does, if somebody may be using its bytes.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_OUT_OF_RANGE`, `ERR_CMALLOC_OUT_OF_MEMORY`, and `ERR_CMALLOC_LOCK_LIMIT` for a
    /// secure block.
    #[napi]
    pub fn resize(&self, env: Env, byte_length: f64) -> napi::Result<()> {
        self.run(env, |environment, env| environment.resize(env, self.place(), length_of(byte_length)?))
    }

    /// Resizes the block for its next owner, as `consume` does: returns whether it could not be
    /// resized, so that it is as long as it was, at most `byteLength`.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED`, `ERR_OUT_OF_RANGE` and
    /// `ERR_CMALLOC_OUT_OF_MEMORY`.
    #[napi]
    pub fn transfer(&self, env: Env, byte_length: f64) -> napi::Result<bool> {
        self.run(env, |environment, env| environment.transfer(env, self.place(), length_of(byte_length)?))
    }

    /// Leaves the block to the slot, in whichever thread, that takes it over with the same ticket.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED`, and `ERR_CMALLOC_BAD_TICKET` if a block waits for
    /// that ticket already.
    #[napi]
    pub fn hand_over(&self, env: Env, ticket: String) -> napi::Result<()> {
        self.run(env, |environment, env| environment.hand_over(env, self.place(), ticket))
    }

    /// Takes over the block that was handed over with this ticket.
    ///
    /// Throws `ERR_CMALLOC_BAD_TICKET` if there is none, and `ERR_INVALID_STATE` if the slot has a block.
    #[napi]
    pub fn take_over(&self, env: Env, ticket: String) -> napi::Result<()> {
        self.run(env, |environment, env| environment.take_over(env, self.place(), &ticket))
    }

    /// The `ArrayBuffer` over the block: no copy, and the same one until `free`, `release` or
    /// `resize`.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_ESCAPED` and `ERR_CMALLOC_NO_EXTERNAL_BUFFERS`.
    #[napi(ts_return_type = "ArrayBuffer")]
    pub fn buffer(&self, env: Env) -> napi::Result<Unknown<'_>> {
        let value = self.run(env, |environment, env| environment.buffer(env, self.place()))?;
        // SAFETY: `buffer` returned a value of this environment and of the current scope.
        unsafe { Unknown::from_napi_value(env.raw(), value) }
    }

    /// Fills the bytes from `start` to `end` with `pattern`, repeated; the last repetition is cut.
    ///
    /// Throws `ERR_CMALLOC_FREED`, `ERR_OUT_OF_RANGE`, and `ERR_INVALID_ARG_VALUE` if the pattern is
    /// empty.
    #[napi]
    pub fn fill(
        &self,
        env: Env,
        #[napi(ts_arg_type = "Uint8Array")] pattern: Bytes,
        start: f64,
        end: f64,
    ) -> napi::Result<()> {
        self.run(env, |environment, _| {
            if pattern.len == 0 {
                return Err(Failure::empty_pattern());
            }
            let (_, start, len) = self.part(start, end)?;
            // SAFETY: `part` checked the bounds; the pattern is a view that JavaScript keeps alive
            // during the call, perhaps one over this block.
            unsafe { environment.fill(self.place(), start, len, pattern.start, pattern.len) };
            Ok(())
        })
    }

    /// Fills the bytes from `start` to `end` with one byte. Throws as `fill` does.
    #[napi]
    pub fn fill_byte(&self, env: Env, byte: f64, start: f64, end: f64) -> napi::Result<()> {
        self.run(env, |environment, _| {
            let byte = byte_of(byte)?;
            let (_, start, len) = self.part(start, end)?;
            // SAFETY: `part` checked the bounds.
            unsafe { environment.fill(self.place(), start, len, &raw const byte, 1) };
            Ok(())
        })
    }

    /// Copies the whole of `bytes` to the beginning of the block.
    ///
    /// Throws `ERR_CMALLOC_FREED`, and `ERR_OUT_OF_RANGE` if there are more bytes than the block has.
    #[napi]
    pub fn write(&self, env: Env, #[napi(ts_arg_type = "Uint8Array")] bytes: Bytes) -> napi::Result<()> {
        self.run(env, |_, _| {
            let (block, ..) = self.part(0.0, bytes.len as f64)?;
            // SAFETY: `part` checked that the block has room; the bytes are a view that JavaScript
            // keeps alive during the call, perhaps one over this block.
            unsafe { ptr::copy(bytes.start, block.as_ptr(), bytes.len) };
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
        self.run(env, |environment, env| environment.escaped(env, self.place()))
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
        self.place().key()
    }

    pub(super) fn place(&self) -> Place<'_> {
        self.environment.slots.place(self.index)
    }

    fn parts(&self) -> Outcome<(NonNull<u8>, usize)> {
        self.place().parts().ok_or_else(Failure::freed)
    }

    /// The block, and the start and length of the part from `start` to `end`.
    fn part(&self, start: f64, end: f64) -> Outcome<(NonNull<u8>, usize, usize)> {
        let (block, len) = self.parts()?;
        let position = |value| exact_integer(value).and_then(|value| usize::try_from(value).ok());
        let (Some(start), Some(end)) = (position(start), position(end).filter(|end| *end <= len)) else {
            return Err(Failure::out_of_range(format!("{start} to {end} is no part of a block of {len} bytes")));
        };
        if start > end {
            return Err(Failure::out_of_range(format!("The start {start} lies behind the end {end}")));
        }
        Ok((block, start, end - start))
    }

    fn run<T>(
        &self,
        env: Env,
        operation: impl FnOnce(&Rc<Environment>, sys::napi_env) -> Outcome<T>,
    ) -> napi::Result<T> {
        // Nothing unwinds into the runtime.
        let outcome = catch_unwind(AssertUnwindSafe(|| operation(&self.environment, env.raw())));
        outcome.unwrap_or_else(|_| Err(Failure::panicked())).map_err(|failure| failure.thrown(env.raw()))
    }
}

/// The bytes of a `Uint8Array`, as an argument.
///
/// A pointer, as they may be those of the very block that is written to: given a `&[u8]` the compiler
/// may assume that they are not, and turn a copy that minds the overlap into one that does not.
pub struct Bytes {
    start: *mut u8,
    len: usize,
}

impl Bytes {
    /// A copy of the first `limit` bytes, or of all of them. It is wiped, as it may be a secret.
    pub(super) fn copy(&self, limit: usize) -> Outcome<Zeroizing<Vec<u8>>> {
        if self.len == 0 {
            return Err(Failure::empty_pattern());
        }
        // SAFETY: JavaScript keeps the view alive during the call, and nobody writes to it meanwhile.
        Ok(Zeroizing::new(unsafe { std::slice::from_raw_parts(self.start, self.len.min(limit)) }.to_vec()))
    }
}

impl FromNapiValue for Bytes {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        // SAFETY: passed on from the caller. Nobody else looks at the bytes as long as the slice is there.
        let bytes = unsafe { <&mut [u8]>::from_napi_value(env, value)? };
        Ok(Self { start: bytes.as_mut_ptr(), len: bytes.len() })
    }
}

impl ObjectFinalize for Slot {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.gone.set(true);
        self.environment.collect(env.raw(), self.place());
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Without a finalizer only if the constructor failed after all, within the call that `env` is of.
        if !self.gone.get() {
            self.environment.collect(self.env, self.place());
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
    let begin = || {
        let environment = Environment::of(env.raw())?;
        let start = address_of(&address)?;
        let len = length_of(byte_length)?;
        // SAFETY: the documentation passes the contract on to the caller; JavaScript cannot do more.
        unsafe { environment.begin_consume(env.raw(), start, len) }
    };
    begin().map_err(|failure: Failure| failure.thrown(env.raw()))
}

/// Gives up what `beginConsume` claimed. Throws `ERR_OUT_OF_RANGE` and `ERR_INVALID_ARG_VALUE`.
#[napi]
pub fn end_consume(env: Env, address: BigInt) -> napi::Result<()> {
    let start = address_of(&address).map_err(|failure| failure.thrown(env.raw()))?;
    super::ownership::lock().unclaim(start.as_ptr().addr());
    Ok(())
}

/// A block's length: an integer from 1 to 2^53 - 1.
#[inline]
pub(crate) fn length_of(value: f64) -> Outcome<usize> {
    match exact_integer(value) {
        None | Some(0) => {
            Err(Failure::out_of_range(format!("A block's length must be an integer from 1 to 2^53 - 1, not {value}")))
        }
        // On a 32-bit system the allocator has the last word on what is too long.
        Some(len) => Ok(usize::try_from(len).unwrap_or(usize::MAX)),
    }
}

/// A byte: an integer from 0 to 255.
#[inline]
pub(crate) fn byte_of(value: f64) -> Outcome<u8> {
    exact_integer(value)
        .and_then(|byte| u8::try_from(byte).ok())
        .ok_or_else(|| Failure::out_of_range(format!("A byte must be an integer from 0 to 255, not {value}")))
}

/// How a block is to be made: see `Slot.allocate`.
pub(crate) fn options_of(init: Init, align: Option<f64>, lazy: bool, secure: bool) -> Outcome<BlockOptions> {
    let options = match init {
        Init::Uninit => BlockOptions::new(),
        Init::Byte(byte) => BlockOptions::new().filled(byte),
    };
    let options = options.lazy(lazy).secure(secure);
    align.map_or(Ok(options), |align| Ok(options.align(alignment_of(align)?)))
}

fn alignment_of(value: f64) -> Outcome<Alignment> {
    /// What the largest alignment is where C's `free` takes blocks of any.
    const LARGEST: usize = 1 << 32;

    let bytes = exact_integer(value).and_then(|bytes| usize::try_from(bytes).ok());
    match bytes.filter(|bytes| bytes.is_power_of_two() && *bytes <= LARGEST) {
        None => Err(Failure::out_of_range(format!("An alignment must be a power of two up to 2^32, not {value}"))),
        Some(bytes) => Alignment::new(bytes).ok_or_else(|| {
            Failure::unsupported(format!(
                "C's allocator here makes no blocks for its free() that are aligned to more than {} bytes",
                Alignment::MAX
            ))
        }),
    }
}

/// An address that `malloc` can have returned.
pub(crate) fn address_of(value: &BigInt) -> Outcome<NonNull<u8>> {
    /// What every allocator aligns its blocks to.
    const ALIGNMENT: usize = 8;

    let (_, address, lossless) = value.get_u64();
    let address = usize::try_from(address).ok().filter(|_| lossless);
    let Some(start) = address.and_then(|address| NonNull::new(ptr::with_exposed_provenance_mut::<u8>(address))) else {
        return Err(Failure::out_of_range("An address must be over 0 and fit into 64 bits"));
    };
    if start.as_ptr().addr() % ALIGNMENT != 0 {
        return Err(Failure::bad_value(format!(
            "The address 0x{:x} is not aligned as malloc aligns: it points into a block, not to its beginning",
            start.as_ptr().addr()
        )));
    }
    Ok(start)
}
