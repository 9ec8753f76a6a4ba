//! Arguments, as JavaScript gives them: each check is written once, here.

use std::ptr::{self, NonNull};

use napi::bindgen_prelude::{BigInt, FromNapiValue};
use napi::sys;
use zeroize::Zeroizing;

use super::failure::{Failure, Outcome};
use crate::block::Init;
use crate::{Alignment, BlockOptions};

/// The bytes of a `Uint8Array`.
///
/// A pointer and no `&[u8]`: the bytes may lie in the block that is written to. With a slice the compiler may assume that
/// they do not overlap.
pub struct Bytes {
    pub(in crate::napi) start: *mut u8,
    pub(in crate::napi) len: usize,
}

impl Bytes {
    /// A copy of the first `limit` bytes, or of all of them. It is wiped, as it may be a secret.
    pub(in crate::napi) fn copy(&self, limit: usize) -> Outcome<Zeroizing<Vec<u8>>> {
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

/// A block's length: an integer from 1 to 2^53 - 1.
#[inline]
pub(crate) fn length_of(value: f64) -> Outcome<usize> {
    index_of(value).filter(|len| *len > 0).ok_or_else(|| {
        Failure::out_of_range(format!("A block's length must be an integer from 1 to 2^53 - 1, not {value}"))
    })
}

/// A byte: an integer from 0 to 255.
#[inline]
pub(crate) fn byte_of(value: f64) -> Outcome<u8> {
    exact_integer(value)
        .and_then(|byte| u8::try_from(byte).ok())
        .ok_or_else(|| Failure::out_of_range(format!("A byte must be an integer from 0 to 255, not {value}")))
}

/// What a new block holds: a byte everywhere, or whatever the memory holds.
#[inline]
pub(crate) fn init_of(fill: Option<f64>) -> Outcome<Init> {
    Ok(fill.map(byte_of).transpose()?.map_or(Init::Uninit, Init::Byte))
}

/// How a block is to be made: see `Slot.allocate`.
pub(crate) fn options_of(init: Init, align: Option<f64>, lazy: bool, secure: bool) -> Outcome<BlockOptions> {
    let options = BlockOptions::with_init(init).lazy(lazy).secure(secure);
    align.map_or(Ok(options), |align| Ok(options.align(alignment_of(align)?)))
}

pub(crate) fn alignment_of(value: f64) -> Outcome<Alignment> {
    /// What the largest alignment is where C's `free` takes blocks of any.
    const LARGEST: usize = 1 << 32;

    match index_of(value).filter(|bytes| bytes.is_power_of_two() && *bytes <= LARGEST) {
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

/// An address as a number; -1 if a double cannot hold it, which happens only with tagged addresses.
pub(crate) fn address_as_number(address: usize) -> f64 {
    if address as u64 > 1 << 53 { -1.0 } else { address as f64 }
}

/// A position among bytes, or a number of them: an integer from 0 to 2^53 - 1.
#[inline]
pub(crate) fn index_of(value: f64) -> Option<usize> {
    exact_integer(value).and_then(|value| usize::try_from(value).ok())
}

/// The integer that a double from 0 to 2^53 - 1 is, if it is one.
///
/// By its bits: the conversions there and back take longer than all the rest of a raw call's checks.
#[inline]
pub(crate) fn exact_integer(value: f64) -> Option<u64> {
    const FRACTION_BITS: u64 = 52;
    const BIAS: u64 = 1023;
    let bits = value.to_bits();
    // With the sign in it, so that a negative number is too large.
    let exponent = bits >> FRACTION_BITS;
    let (smallest, largest) = (BIAS, BIAS + FRACTION_BITS);
    if !(smallest..=largest).contains(&exponent) {
        return (value == 0.0).then_some(0);
    }
    let significand = (bits & ((1 << FRACTION_BITS) - 1)) | (1 << FRACTION_BITS);
    let shift = largest - exponent;
    let integer = significand >> shift;
    (integer << shift == significand).then_some(integer)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_exact_integers_are_integers() {
        for integer in [0, 1, 2, 3, 255, 1 << 26, (1 << 31) + 7, (1 << 52) - 1, 1 << 52, (1 << 53) - 1] {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53 there is none")]
            let value = integer as f64;
            assert_eq!(exact_integer(value), Some(integer));
            if integer < 1 << 51 {
                assert_eq!(exact_integer(value + 0.5), None, "{integer}.5");
            }
        }
        assert_eq!(exact_integer(-0.0), Some(0));
        for value in
            [-1.0, 0.5, 1e-300, f64::MIN_POSITIVE, (1u64 << 53) as f64, 1e300, f64::INFINITY, f64::NAN, -f64::NAN]
        {
            assert_eq!(exact_integer(value), None, "{value}");
        }
    }
}
