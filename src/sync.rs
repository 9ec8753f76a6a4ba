//! The locks and atomics of what threads share. They come from the standard library. In a build with `--cfg loom` they come
//! from loom, which runs a test with every possible order of the threads' steps.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};

#[cfg(all(feature = "napi", not(loom)))]
pub(crate) use std::thread::yield_now;

#[cfg(all(feature = "napi", loom))]
pub(crate) use loom::thread::yield_now;

#[cfg(all(feature = "napi", not(loom)))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, fence},
};

#[cfg(all(feature = "napi", loom))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, fence},
};
