//! `AddressRanges`: where the buffers of an environment's managers are.

use std::cell::RefCell;
use std::ptr;

use napi::bindgen_prelude::{BigInt, Env, FromNapiValue, JsValue, Object, ObjectFinalize, Unknown};
use napi::sys;
use napi_derive::napi;

use crate::intervals::{Interval, Intervals};
use crate::napi::node_api::arguments::{address_of, length_of};
use crate::napi::node_api::failure::{Failure, Outcome, check};
use crate::napi::node_api::weak::{Growth, Weak, in_scopes};
use crate::os;

/// From so many ranges on they are looked through, for those whose buffer was collected.
const SWEEP_FROM: u64 = 16 << 10;

/// Ranges of addresses, of which no two overlap. Each has an owner, which is a number, and a buffer, which it does not
/// keep alive: as soon as that is collected, the range is as if it were not there.
///
/// No finalizer is needed for that, which would wait for the event loop: a range that has lost its buffer is dropped as
/// it is met, or when there are half as many again as after the last look through all of them.
#[napi(custom_finalize)]
pub struct AddressRanges {
    intervals: RefCell<Intervals<Entry>>,
    sweep: Growth,
}

struct Entry {
    owner: f64,
    buffer: Weak,
}

/// A range of addresses, and whose it is.
#[napi(object)]
pub struct AddressRange {
    /// Its first address.
    pub address: BigInt,
    /// How many addresses there are.
    pub byte_length: f64,
    /// The number of its owner.
    pub owner: f64,
}

#[napi]
impl AddressRanges {
    /// No ranges.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self { intervals: RefCell::new(Intervals::new()), sweep: Growth::new(SWEEP_FROM) }
    }

    /// Adds the `byteLength` addresses from `address`, if they overlap no other range. Returns whether they did not.
    ///
    /// Throws `ERR_OUT_OF_RANGE` if they do not fit into 64 bits.
    #[napi]
    pub fn insert(
        &self,
        env: Env,
        address: BigInt,
        byte_length: f64,
        owner: f64,
        #[napi(ts_arg_type = "object")] buffer: Object,
    ) -> napi::Result<bool> {
        let env = env.raw();
        let insert = || {
            let interval = interval_of(&address, byte_length)?;
            if self.find(env, interval).is_some() {
                return Ok(false);
            }
            if self.sweep.is_due(self.intervals.borrow().len() as u64) {
                self.drop_collected(env);
            }
            let entry = Entry { owner, buffer: Weak::create(env, buffer.raw())? };
            let inserted = self.intervals.borrow_mut().insert(interval, entry);
            // Making a reference may run finalizers, and they could have come back here.
            Ok(inserted.map_err(|entry| entry.delete(env)).is_ok())
        };
        insert().map_err(|failure: Failure| failure.thrown(env))
    }

    /// A range that has addresses in common with the `byteLength` ones from `address`.
    ///
    /// Throws `ERR_OUT_OF_RANGE` if they do not fit into 64 bits.
    #[napi]
    pub fn overlapping(&self, env: Env, address: BigInt, byte_length: f64) -> napi::Result<Option<AddressRange>> {
        let interval = interval_of(&address, byte_length).map_err(|failure| failure.thrown(env.raw()))?;
        Ok(self.find(env.raw(), interval).map(|(found, owner)| AddressRange {
            address: BigInt::from(found.first()),
            byte_length: found.len() as f64,
            owner,
        }))
    }

    /// The buffer of the range that begins at `address`; null if it was collected, or if there is no such range.
    #[napi(ts_return_type = "object | null")]
    pub fn buffer(&self, env: Env, address: BigInt) -> napi::Result<Option<Unknown<'_>>> {
        let found = self.intervals.borrow().get(first_of(&address)).map(|entry| entry.buffer);
        let value = found.map_or(ptr::null_mut(), |weak| target(env.raw(), weak));
        if value.is_null() {
            return Ok(None);
        }
        // SAFETY: a value of this environment and of the current scope.
        unsafe { Unknown::from_napi_value(env.raw(), value) }.map(Some)
    }

    /// How many ranges there are, with those whose buffer was collected and that were not met since.
    #[napi(getter)]
    pub fn size(&self) -> u32 {
        u32::try_from(self.intervals.borrow().len()).unwrap_or(u32::MAX)
    }

    /// Takes the range out that begins at `address`, if it is `owner`'s. Returns whether it was.
    #[napi]
    pub fn remove(&self, env: Env, address: BigInt, owner: f64) -> bool {
        let first = first_of(&address);
        let removed = {
            let mut intervals = self.intervals.borrow_mut();
            let is_owners = intervals.get(first).is_some_and(|entry| entry.owner == owner);
            if is_owners { intervals.remove(first) } else { None }
        };
        removed.map(|entry| entry.delete(env.raw())).is_some()
    }
}

impl AddressRanges {
    /// A range that overlaps `interval` and has a buffer, and its owner. Those without one are dropped.
    fn find(&self, env: sys::napi_env, interval: Interval) -> Option<(Interval, f64)> {
        loop {
            let (found, owner, buffer) = {
                let intervals = self.intervals.borrow();
                let (found, entry) = intervals.overlapping(interval)?;
                (found, entry.owner, entry.buffer)
            };
            if !target(env, buffer).is_null() {
                return Some((found, owner));
            }
            self.drop_range(env, found.first());
        }
    }

    /// Drops every range whose buffer was collected.
    #[cold]
    fn drop_collected(&self, env: sys::napi_env) {
        let buffers: Vec<_> = self.intervals.borrow().iter().map(|(first, entry)| (first, entry.buffer)).collect();
        in_scopes(env, buffers, |(first, buffer)| {
            if target(env, buffer).is_null() {
                self.drop_range(env, first);
            }
        });
        self.sweep.looked(self.intervals.borrow().len() as u64);
    }

    fn drop_range(&self, env: sys::napi_env, first: u64) {
        let removed = self.intervals.borrow_mut().remove(first);
        if let Some(entry) = removed {
            entry.delete(env);
        }
    }
}

/// The buffer of an entry that is still there; null if it was collected.
fn target(env: sys::napi_env, buffer: Weak) -> sys::napi_value {
    // SAFETY: the reference is deleted only when its entry is taken out of the intervals.
    unsafe { buffer.target(env) }.unwrap_or(ptr::null_mut())
}

impl Entry {
    fn delete(self, env: sys::napi_env) {
        // SAFETY: whoever has the entry has taken it out of the intervals, so that its reference is deleted once.
        unsafe { self.buffer.delete(env) };
    }
}

impl ObjectFinalize for AddressRanges {
    fn finalize(self, env: Env) -> napi::Result<()> {
        for entry in self.intervals.borrow_mut().drain() {
            entry.delete(env.raw());
        }
        Ok(())
    }
}

/// The address of an `ArrayBuffer`'s bytes: only a number, which keeps nothing alive. 0n if it is detached.
///
/// Throws `ERR_INVALID_ARG_TYPE`.
#[napi]
pub fn address_of_array_buffer(
    env: Env,
    #[napi(ts_arg_type = "ArrayBuffer")] buffer: Unknown<'_>,
) -> napi::Result<BigInt> {
    let (mut start, mut len) = (ptr::null_mut(), 0);
    // SAFETY: both are places to write to, and the buffer is a value of this call.
    let status = unsafe {
        let mut is_array_buffer = false;
        let status = sys::napi_is_arraybuffer(env.raw(), buffer.raw(), &raw mut is_array_buffer);
        if status == sys::Status::napi_ok && !is_array_buffer {
            return Err(Failure::wrong_type("The buffer must be an ArrayBuffer").thrown(env.raw()));
        }
        sys::napi_get_arraybuffer_info(env.raw(), buffer.raw(), &raw mut start, &raw mut len)
    };
    check(status).map_err(|failure| failure.thrown(env.raw()))?;
    Ok(BigInt::from(if len == 0 { 0 } else { start.addr() as u64 }))
}

/// How many bytes the block of C's allocator at an address holds, at least what was asked for it. 0 where the system
/// does not tell.
///
/// Unsafe: `address` must be a live block of this process's C allocator.
///
/// Throws `ERR_OUT_OF_RANGE` and `ERR_INVALID_ARG_VALUE` for an address that `malloc` cannot have returned.
#[napi]
pub fn usable_size(env: Env, address: BigInt) -> napi::Result<f64> {
    let start = address_of(&address).map_err(|failure| failure.thrown(env.raw()))?;
    // SAFETY: the documentation passes the contract on to the caller; JavaScript cannot do more.
    Ok(unsafe { os::usable_size(start) }.map_or(0.0, |held| held as f64))
}

fn interval_of(address: &BigInt, byte_length: f64) -> Outcome<Interval> {
    let (negative, first, lossless) = address.get_u64();
    let len = length_of(byte_length)? as u64;
    let interval = if lossless && !negative { Interval::new(first, len) } else { None };
    interval.ok_or_else(|| Failure::out_of_range(format!("{len} addresses from there do not fit into 64 bits")))
}

/// The first address of a range that may be there. Any other bigint names none, or is some other's first 64 bits.
fn first_of(address: &BigInt) -> u64 {
    address.get_u64().1
}
