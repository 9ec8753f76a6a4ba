//! Fault injection, for tests in JavaScript: see [`fault`]. Only in builds with the feature.

use napi_derive::napi;

use crate::fault;

/// Lets so many calls of this thread into the C library and the system through, and makes the one after them fail.
#[napi]
pub fn arm_fault(calls: u32) {
    fault::arm(u64::from(calls));
}

/// Injects nothing any more. Returns whether the fault has struck since `armFault`.
#[napi]
pub fn disarm_fault() -> bool {
    fault::disarm()
}

/// Makes the runtime refuse `ArrayBuffer`s over foreign memory from now on, as Electron does. To be called before
/// `cmalloc` is loaded, which makes one at once.
#[napi]
pub fn refuse_external_buffers() {
    fault::refuse_external_buffers();
}
