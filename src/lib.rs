//! Blocks of C memory that are resident the moment you get them.
//!
//! A [`Block`] owns one run of bytes from C's `malloc` family. Every page of it is touched before you get it, so that
//! its first use causes no page faults. When it is dropped, it is freed once, with C's `free`. C code can take a block
//! over ([`Block::into_raw`]), and a block that C code made can be adopted ([`Block::consume`]). A [`Pool`] retains
//! blocks and hands them out again, still resident. An [`IncrementalBlock`] becomes resident step by step.
//!
//! If the machine, its container or the process's own limit does not have enough memory for a request, the result is an
//! [`OutOfMemory`] error. This is decided *before* a page is touched. Otherwise the system's out-of-memory killer would
//! end the process, without an error that could be handled.
//!
//! # Examples
//!
//! ```
//! use cmalloc::Block;
//!
//! let mut block = Block::malloc(1 << 20)?;
//! # #[cfg(all(target_os = "linux", not(miri)))]
//! assert_eq!(block.resident_bytes().unwrap(), block.len());
//! block.fill(b"AB");
//! block.resize(1 << 16)?;
//! assert_eq!(block.len(), 1 << 16);
//! # Ok::<(), cmalloc::OutOfMemory>(())
//! ```
//!
//! `examples/resident.rs` shows all of this in some 90 lines. Run it with `cargo run --example resident`.
//!
//! # Features
//!
//! - `napi`: the Node-API binding, from which the npm package is built. It is off by default. Without it the crate
//!   depends only on `libc` and `zeroize`, and on Windows on `windows-sys`.
//!
//! # Requirements
//!
//! The crate needs the standard library, for threads, thread-local values, files and [`std::io::Error`]. It compiles
//! only for processors with addresses of 64 bits.
//!
//! # Platforms
//!
//! | platform | touching | residency | memory left |
//! |---|---|---|---|
//! | Linux | `MADV_POPULATE_WRITE`, else a write to each page | `mincore` | `MemAvailable` and every cgroup (v1, v2) above the process |
//! | macOS | a write to each page | `mincore` | `host_statistics64` |
//! | Windows | a write to each page | `QueryWorkingSetEx` | `GlobalMemoryStatusEx` |
//! | FreeBSD | a write to each page | `mincore` | `sysctl vm.stats` |
//! | others | a write to each page | [`std::io::ErrorKind::Unsupported`] | unknown: only the allocator and the set limit refuse |

// Lengths and addresses have 64 bits everywhere in the crate, and JavaScript gets them as such.
const _: () = assert!(usize::BITS == 64, "cmalloc needs a processor with addresses of 64 bits");

// A module imports only from the groups above its own.
mod error;
#[cfg(feature = "fault-injection")]
pub mod fault;
#[cfg(not(feature = "fault-injection"))]
mod fault;
mod fill;
mod sync;

mod length;

mod allocator;

mod os;

mod budget;
mod placement;
#[cfg(all(test, target_os = "linux", not(miri)))]
mod testing;

mod residency;

mod touch;

pub mod debug;
mod reclaim;

mod block;

mod incremental;
mod pool;

#[cfg(feature = "napi")]
#[cfg_attr(test, allow(dead_code, reason = "what JavaScript calls is not registered in a test build"))]
mod napi;

/// Compiles and runs the Rust examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use block::{Alignment, Block, BlockOptions, Consumed};
pub use budget::{Budget, budget, set_memory_limit};
pub use error::OutOfMemory;
pub use incremental::IncrementalBlock;
pub use os::page_size;
pub use pool::{Pool, PoolOptions, PoolStats};
