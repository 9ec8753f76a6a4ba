//! What happened in an environment, and sums of that.

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

/// Sums over environments.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) allocations: u64,
    pub(crate) explicit_frees: u64,
    pub(crate) collected_frees: u64,
    pub(crate) handed_over: u64,
    pub(crate) taken_over: u64,
}

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

impl Totals {
    pub(crate) const NONE: Self =
        Self { allocations: 0, explicit_frees: 0, collected_frees: 0, handed_over: 0, taken_over: 0 };

    pub(crate) fn add(&mut self, counters: &Counters) {
        self.allocations += counters.allocations.get();
        self.explicit_frees += counters.explicit_frees.get();
        self.collected_frees += counters.collected_frees.get();
        self.handed_over += counters.handed_over.get();
        self.taken_over += counters.taken_over.get();
    }
}
