//! `AddressRanges`: where the buffers of an environment's managers are.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::ptr;

use napi::bindgen_prelude::{BigInt, Env, FromNapiValue, JsValue, Object, ObjectFinalize, Unknown};
use napi::sys;
use napi_derive::napi;
use rangemap::RangeInclusiveMap;

use crate::napi::node_api::arguments::{address_of, length_of};
use crate::napi::node_api::failure::{Failure, Outcome, check, throwing};
use crate::napi::node_api::weak::{Growth, Weak, in_scopes};
use crate::os;

/// From so many ranges on they are looked through, for those whose buffer was collected.
const SWEEP_FROM: u64 = 16 << 10;

/// Ranges of addresses, of which no two overlap. Each has an owner, which is a number, and a buffer, which it does not
/// keep alive: as soon as that is collected, the range is as if it were not there.
///
/// No finalizer is needed for that, which would wait for the event loop: a range that has lost its buffer is dropped when it
/// is met, or when all are looked through: each time their number has grown by half.
#[napi(custom_finalize)]
pub struct AddressRanges {
    /// No two values are equal, so that ranges side by side stay apart.
    ranges: RefCell<RangeInclusiveMap<u64, Entry>>,
    sweep: Growth,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// The bits of a number.
    owner: u64,
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
        Self { ranges: RefCell::default(), sweep: Growth::new(SWEEP_FROM) }
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
        throwing(env, || {
            let env = env.raw();
            let range = range_of(&address, byte_length)?;
            if self.find(env, &range).is_some() {
                return Ok(false);
            }
            if self.sweep.is_due(self.ranges.borrow().len() as u64) {
                self.drop_collected(env);
            }
            let entry = Entry { owner: owner.to_bits(), buffer: Weak::create(env, buffer.raw())? };
            // Making a reference may run finalizers, and they could have come back here.
            let is_free = !self.ranges.borrow().overlaps(&range);
            if is_free {
                self.ranges.borrow_mut().insert(range, entry);
            } else {
                entry.delete(env);
            }
            Ok(is_free)
        })
    }

    /// A range that has addresses in common with the `byteLength` ones from `address`.
    ///
    /// Throws `ERR_OUT_OF_RANGE` if they do not fit into 64 bits.
    #[napi]
    pub fn overlapping(&self, env: Env, address: BigInt, byte_length: f64) -> napi::Result<Option<AddressRange>> {
        let range = throwing(env, || range_of(&address, byte_length))?;
        Ok(self.find(env.raw(), &range).map(|(found, owner)| AddressRange {
            address: BigInt::from(*found.start()),
            byte_length: (found.end() - found.start()) as f64 + 1.0,
            owner: f64::from_bits(owner),
        }))
    }

    /// The buffer of the range that begins at `address`; null if it was collected, or if there is no such range.
    #[napi(ts_return_type = "object | null")]
    pub fn buffer(&self, env: Env, address: BigInt) -> napi::Result<Option<Unknown<'_>>> {
        let found = self.get(first_of(&address));
        let value = found.map_or(ptr::null_mut(), |(_, entry)| target(env.raw(), entry.buffer));
        if value.is_null() {
            return Ok(None);
        }
        // SAFETY: a value of this environment and of the current scope.
        unsafe { Unknown::from_napi_value(env.raw(), value) }.map(Some)
    }

    /// How many ranges there are, with those whose buffer was collected and that were not met since.
    #[napi(getter)]
    pub fn size(&self) -> u32 {
        u32::try_from(self.ranges.borrow().len()).unwrap_or(u32::MAX)
    }

    /// Takes the range out that begins at `address`, if it is `owner`'s. Returns whether it was.
    #[napi]
    pub fn remove(&self, env: Env, address: BigInt, owner: f64) -> bool {
        let found = self.get(first_of(&address)).filter(|(_, entry)| entry.owner == owner.to_bits());
        found.map(|(range, entry)| self.drop_range(env.raw(), range, entry)).is_some()
    }
}

impl AddressRanges {
    /// The range that begins there.
    fn get(&self, first: u64) -> Option<(RangeInclusive<u64>, Entry)> {
        let ranges = self.ranges.borrow();
        let (range, entry) = ranges.get_key_value(&first).filter(|(range, _)| *range.start() == first)?;
        Some((range.clone(), *entry))
    }

    /// A range that overlaps `wanted` and has a buffer, and its owner. Those without one are dropped.
    fn find(&self, env: sys::napi_env, wanted: &RangeInclusive<u64>) -> Option<(RangeInclusive<u64>, u64)> {
        loop {
            let (range, entry) =
                self.ranges.borrow().overlapping(wanted).next().map(|(range, entry)| (range.clone(), *entry))?;
            if !target(env, entry.buffer).is_null() {
                return Some((range, entry.owner));
            }
            self.drop_range(env, range, entry);
        }
    }

    /// Drops every range whose buffer was collected.
    #[cold]
    fn drop_collected(&self, env: sys::napi_env) {
        let ranges: Vec<_> = self.ranges.borrow().iter().map(|(range, entry)| (range.clone(), *entry)).collect();
        in_scopes(env, ranges, |(range, entry)| {
            if target(env, entry.buffer).is_null() {
                self.drop_range(env, range, entry);
            }
        });
        self.sweep.looked(self.ranges.borrow().len() as u64);
    }

    fn drop_range(&self, env: sys::napi_env, range: RangeInclusive<u64>, entry: Entry) {
        let is_there = self.ranges.borrow().get(range.start()) == Some(&entry);
        if is_there {
            self.ranges.borrow_mut().remove(range);
            entry.delete(env);
        }
    }
}

/// The buffer of an entry that is still there; null if it was collected.
fn target(env: sys::napi_env, buffer: Weak) -> sys::napi_value {
    // SAFETY: the entry was just looked up. Its reference is deleted only when it is taken out of the ranges, and what
    // happens in between runs no JavaScript.
    unsafe { buffer.target(env) }.unwrap_or(ptr::null_mut())
}

impl Entry {
    fn delete(self, env: sys::napi_env) {
        // SAFETY: the caller has just taken the entry out of the ranges, or never put it in: its reference is deleted once.
        unsafe { self.buffer.delete(env) };
    }
}

impl ObjectFinalize for AddressRanges {
    fn finalize(self, env: Env) -> napi::Result<()> {
        for (_, entry) in self.ranges.take() {
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
    throwing(env, || {
        let mut is_array_buffer = false;
        // SAFETY: each is a place to write to, and the buffer is a value of this call.
        unsafe {
            check(sys::napi_is_arraybuffer(env.raw(), buffer.raw(), &raw mut is_array_buffer))?;
            if !is_array_buffer {
                return Err(Failure::wrong_type("The buffer must be an ArrayBuffer"));
            }
            check(sys::napi_get_arraybuffer_info(env.raw(), buffer.raw(), &raw mut start, &raw mut len))?;
        }
        Ok(BigInt::from(if len == 0 { 0 } else { start.addr() as u64 }))
    })
}

/// How many bytes the block of C's allocator at an address holds, at least what was asked for it. 0 where the system
/// does not tell.
///
/// Unsafe: `address` must be a live block of this process's C allocator.
///
/// Throws `ERR_OUT_OF_RANGE` and `ERR_INVALID_ARG_VALUE` for an address that `malloc` cannot have returned.
#[napi]
pub fn usable_size(env: Env, address: BigInt) -> napi::Result<f64> {
    let start = throwing(env, || address_of(&address))?;
    // SAFETY: the documentation passes the contract on to the caller; JavaScript cannot do more.
    Ok(unsafe { os::usable_size(start) }.map_or(0.0, |held| held as f64))
}

/// The range of so many addresses. It may include the highest, which a half-open range could not.
fn range_of(address: &BigInt, byte_length: f64) -> Outcome<RangeInclusive<u64>> {
    let (negative, first, lossless) = address.get_u64();
    let len = length_of(byte_length)? as u64;
    let last = first.checked_add(len - 1).filter(|_| lossless && !negative);
    let last =
        last.ok_or_else(|| Failure::out_of_range(format!("{len} addresses from there do not fit into 64 bits")))?;
    Ok(first..=last)
}

/// The first address of a range that may be there: the low 64 bits.
fn first_of(address: &BigInt) -> u64 {
    address.get_u64().1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use rangemap::RangeInclusiveMap;

    #[test]
    fn ranges_may_reach_the_highest_address_and_lie_side_by_side() {
        let mut ranges = RangeInclusiveMap::new();
        for (range, value) in
            [(100..=149, 1), (u64::MAX..=u64::MAX, 2), (u64::MAX - 9..=u64::MAX - 1, 3), (0..=0, 4), (150..=150, 5)]
        {
            assert!(!ranges.overlaps(&range));
            ranges.insert(range, value);
        }
        assert_eq!(ranges.len(), 5);
        for range in [0..=u64::MAX, 99..=100, 149..=149, 110..=115, 0..=99, u64::MAX..=u64::MAX] {
            assert!(ranges.overlaps(&range), "{range:?}");
        }
        for range in [1..=99, 151..=u64::MAX - 10] {
            assert!(!ranges.overlaps(&range), "{range:?}");
        }
        ranges.remove(u64::MAX..=u64::MAX);
        assert_eq!((ranges.get(&u64::MAX), ranges.get(&(u64::MAX - 1)), ranges.len()), (None, Some(&3), 4));
    }
}
