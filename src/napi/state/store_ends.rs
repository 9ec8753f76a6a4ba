//! How the backing stores of an environment end: what a finalizer must know, in whichever thread it runs.

use std::sync::atomic::{AtomicBool, Ordering};

/// How a runtime calls the finalizers of backing stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finalizers {
    /// Between turns of the event loop, and all of them as the environment ends, the youngest first: Node.
    Ordered,
    /// Whenever a store has ended, in any thread; those of an environment that ends after its cleanup hooks, in an order
    /// that is not known: Bun.
    Unordered,
    /// Deno: the collector calls them, in any thread, and they cannot call the runtime. When an environment ends, stores
    /// that another thread holds are not finalized: what is finalized is gone.
    ByCollector,
}

/// What an environment shares with each of its control blocks. Only its own thread writes.
pub(crate) struct StoreEnds {
    pub(crate) finalizers: Finalizers,
    /// Whether the program wants the blocks of `ArrayBuffer`s to be freed without waiting for the event loop.
    sweeps: bool,
    has_sentinel: AtomicBool,
    is_torn_down: AtomicBool,
    ends_with_process: AtomicBool,
}

impl StoreEnds {
    pub(crate) fn new(finalizers: Finalizers, sweeps: bool) -> Self {
        Self {
            finalizers,
            sweeps,
            has_sentinel: AtomicBool::new(false),
            is_torn_down: AtomicBool::new(false),
            ends_with_process: AtomicBool::new(false),
        }
    }

    /// Whether a finalizer must not call the runtime, as the collector calls it.
    pub(crate) fn are_in_collector(&self) -> bool {
        self.finalizers == Finalizers::ByCollector
    }

    /// Whether the environment is the main thread's: nothing needs to be told apart at its end.
    pub(crate) fn are_with_process(&self) -> bool {
        self.ends_with_process.load(Ordering::Relaxed)
    }

    pub(crate) fn set_with_process(&self) {
        self.ends_with_process.store(true, Ordering::Relaxed);
    }

    /// Whether a sweep frees the blocks of dead `ArrayBuffer`s.
    pub(crate) fn are_swept(&self) -> bool {
        self.sweeps && !self.are_in_collector()
    }

    /// Whether, when the environment ends, we can do without knowing which bytes were moved away.
    pub(crate) fn are_clear(&self) -> bool {
        self.are_with_process() || self.are_in_collector()
    }

    /// Whether `ArrayBuffer`s are kept and listed, as somebody looks at them: a sweep, or the end of the environment.
    pub(crate) fn are_watched(&self) -> bool {
        self.are_swept() || !self.are_clear()
    }

    pub(crate) fn set_has_sentinel(&self, has_sentinel: bool) {
        self.has_sentinel.store(has_sentinel, Ordering::Relaxed);
    }

    /// Notes that the environment goes down. Returns whether that was known.
    pub(crate) fn begin_teardown(&self) -> bool {
        self.is_torn_down.swap(true, Ordering::Relaxed)
    }

    /// Whether a finalizer that runs now means that its store has really ended. If the environment were going down, the
    /// sentinel or the cleanup hook would have run first.
    pub(crate) fn are_their_own(&self) -> bool {
        let would_know = match self.finalizers {
            Finalizers::Ordered => self.has_sentinel.load(Ordering::Relaxed) && !self.are_with_process(),
            Finalizers::Unordered => true,
            Finalizers::ByCollector => false,
        };
        would_know && !self.is_torn_down.load(Ordering::Relaxed)
    }
}
