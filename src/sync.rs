//! What threads share is made of these: the standard library's, or in a build with `--cfg loom` those of
//! loom, which runs a test under every order that the threads' steps can have.

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
