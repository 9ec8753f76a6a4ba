//! Fault injection, for tests: makes one of the calls into the C library or the system fail.
//!
//! Only in builds with the feature `fault-injection`; in all others [`strikes`] is `false` at compile
//! time. Each thread counts for itself.
//!
//! Also makes the runtime refuse `ArrayBuffer`s over foreign memory, as Electron does: for the whole process.

#[cfg(feature = "fault-injection")]
use std::cell::Cell;
#[cfg(all(feature = "fault-injection", feature = "napi"))]
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether `ArrayBuffer`s over foreign memory are refused.
#[cfg(all(feature = "fault-injection", feature = "napi"))]
static EXTERNAL_BUFFERS_REFUSED: AtomicBool = AtomicBool::new(false);

#[cfg(feature = "fault-injection")]
thread_local! {
    /// How many calls are still let through; `None` if nothing is injected.
    static COUNTDOWN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Lets `calls` calls of this thread through, and makes the one after them fail. Only that one.
#[cfg(feature = "fault-injection")]
pub fn arm(calls: u64) {
    COUNTDOWN.set(Some(calls));
}

/// Injects nothing any more. Returns whether the fault has struck since [`arm`].
#[cfg(feature = "fault-injection")]
#[must_use]
pub fn disarm() -> bool {
    COUNTDOWN.replace(None).is_none()
}

/// Whether the call that asks is the one to fail.
#[cfg(feature = "fault-injection")]
pub(crate) fn strikes() -> bool {
    match COUNTDOWN.get() {
        None => false,
        Some(0) => {
            COUNTDOWN.set(None);
            true
        }
        Some(calls) => {
            COUNTDOWN.set(Some(calls - 1));
            false
        }
    }
}

/// Nothing is injected in this build.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) const fn strikes() -> bool {
    false
}

/// Refuses `ArrayBuffer`s over foreign memory from now on.
#[cfg(all(feature = "fault-injection", feature = "napi"))]
pub(crate) fn refuse_external_buffers() {
    EXTERNAL_BUFFERS_REFUSED.store(true, Ordering::Relaxed);
}

/// Whether an `ArrayBuffer` over foreign memory is to be refused.
#[cfg(all(feature = "fault-injection", feature = "napi"))]
pub(crate) fn external_buffers_are_refused() -> bool {
    EXTERNAL_BUFFERS_REFUSED.load(Ordering::Relaxed)
}

/// Nothing is refused in this build.
#[cfg(all(not(feature = "fault-injection"), feature = "napi"))]
#[inline(always)]
pub(crate) const fn external_buffers_are_refused() -> bool {
    false
}
