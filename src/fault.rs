//! Fault injection for tests: makes one call into the C library or the system fail.
//!
//! It exists only in builds with the feature `fault-injection`. In all others [`strikes`] is a constant `false`. Each
//! thread counts its own calls.
//!
//! With the feature `napi` it can also make the process refuse `ArrayBuffer`s over foreign memory, as Electron does.

#[cfg(feature = "fault-injection")]
use std::cell::Cell;
#[cfg(all(feature = "fault-injection", feature = "napi"))]
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether `ArrayBuffer`s over foreign memory are refused.
#[cfg(all(feature = "fault-injection", feature = "napi"))]
static EXTERNAL_BUFFERS_REFUSED: AtomicBool = AtomicBool::new(false);

#[cfg(feature = "fault-injection")]
thread_local! {
    /// How many calls still succeed before one fails; `None` if none will.
    static COUNTDOWN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Lets this many calls of the thread succeed, and makes the next one fail. Only that one.
#[cfg(feature = "fault-injection")]
pub fn arm(calls: u64) {
    COUNTDOWN.set(Some(calls));
}

/// Stops the injection. Returns whether a call was made to fail since [`arm`].
#[cfg(feature = "fault-injection")]
#[must_use]
pub fn disarm() -> bool {
    COUNTDOWN.replace(None).is_none()
}

/// Whether the caller must fail now.
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

/// In this build no call is made to fail.
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

/// Whether `ArrayBuffer`s over foreign memory must be refused.
#[cfg(all(feature = "fault-injection", feature = "napi"))]
pub(crate) fn external_buffers_are_refused() -> bool {
    EXTERNAL_BUFFERS_REFUSED.load(Ordering::Relaxed)
}

/// In this build none is refused.
#[cfg(all(not(feature = "fault-injection"), feature = "napi"))]
#[inline(always)]
pub(crate) const fn external_buffers_are_refused() -> bool {
    false
}
