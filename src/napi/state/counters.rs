//! What happened in an environment, or in several.

use crate::sync::{AtomicU64, Ordering};

/// What happened in an environment. Written by its own thread only.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) allocations: Counter,
    pub(crate) explicit_frees: Counter,
    pub(crate) collected_frees: Counter,
    pub(crate) handed_over: Counter,
    pub(crate) taken_over: Counter,
    pub(crate) live_bytes: Counter,
}

/// A number that one thread writes and every thread may read.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds, in the thread that writes: cheaper than an atomic addition.
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.get().wrapping_add(amount), Ordering::Relaxed);
    }

    /// Subtracts, likewise.
    #[inline]
    pub(crate) fn subtract(&self, amount: u64) {
        self.0.store(self.get().wrapping_sub(amount), Ordering::Relaxed);
    }
}

impl Counters {
    /// Adds what others have counted, but for live bytes.
    pub(crate) fn add(&self, other: &Self) {
        self.allocations.add(other.allocations.get());
        self.explicit_frees.add(other.explicit_frees.get());
        self.collected_frees.add(other.collected_frees.get());
        self.handed_over.add(other.handed_over.get());
        self.taken_over.add(other.taken_over.get());
    }
}
