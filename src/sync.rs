//! The locks and atomics of what threads share. They come from the standard library. In a build with `--cfg loom` they
//! come from loom, which runs a test with every possible order of the threads' steps.

#[cfg(loom)]
use loom::sync;
#[cfg(all(loom, feature = "napi"))]
use loom::thread;
#[cfg(not(loom))]
use std::sync;
#[cfg(all(not(loom), feature = "napi"))]
use std::thread;

pub(crate) use sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "napi")]
pub(crate) use sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, fence},
};
#[cfg(feature = "napi")]
pub(crate) use thread::yield_now;
