//! The registers: numbers that JavaScript and the raw calls both see, which saves the conversion of arguments.

use std::sync::atomic::{AtomicU64, Ordering};

/// The registers, each the bits of a double. Their memory is never given back, some bytes for each time that `lib/` is
/// evaluated: whatever JavaScript does with the array, nobody reads memory that is gone.
///
/// (Where the runtime allows no external memory, they are in an `ArrayBuffer` of the runtime's, and looked up for each call.)
///
/// Aligned so that threads share no line of the processor's cache, which they would take from each other.
#[repr(align(128))]
pub(crate) struct Registers([AtomicU64; Self::LEN]);

impl Registers {
    pub(crate) const LEN: usize = 16;

    pub(crate) const KEY: usize = 0;
    /// The length before `allocate`, the address after it.
    pub(crate) const BYTE_LENGTH: usize = 1;
    /// Where `write` and `read` begin in the block.
    pub(crate) const START: usize = 1;
    /// Why `free` let the block go: 0 if it did not.
    pub(crate) const USER: usize = 1;
    /// Whether `detach` did.
    pub(crate) const IS_DETACHED: usize = 1;
    pub(crate) const FILL: usize = 2;

    // What the cache of freed blocks, which is in JavaScript, tells of itself.
    /// How many blocks it has handed out.
    pub(crate) const HANDED_OUT: usize = 3;
    pub(crate) const CACHED_BLOCKS: usize = 4;
    pub(crate) const CACHED_BYTES: usize = 5;
    /// 1 if it is to free its blocks, 2 if it is to keep none until further notice; else 0. Any thread may set it.
    pub(crate) const GIVE_UP: usize = 6;

    /// New registers, which are never given back.
    pub(crate) fn leak() -> &'static Self {
        Box::leak(Box::new(Self(Default::default())))
    }

    #[inline]
    pub(crate) fn get(&self, register: usize) -> f64 {
        f64::from_bits(self.0[register].load(Ordering::Relaxed))
    }

    /// What JavaScript counts in a register; 0 if it is no count.
    pub(crate) fn count(&self, register: usize) -> u64 {
        self.get(register) as u64
    }

    #[inline]
    pub(crate) fn set(&self, register: usize, value: f64) {
        self.0[register].store(value.to_bits(), Ordering::Relaxed);
    }
}
