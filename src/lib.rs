//! Blocks of C memory that are resident the moment you get them.
//!
//! A [`Block`] owns one run of bytes from C's `malloc` family. Before it is handed out every page of
//! it is touched, so that the first use pays no page fault; when it is dropped it is given back with
//! C's `free`, once. C code may take it over ([`Block::into_raw`]), and a block that C code made can
//! be adopted ([`Block::consume`]). A [`Pool`] keeps blocks resident after their end, for the next.
//!
//! A request that the machine, its container or the process's own limit cannot serve is an
//! [`OutOfMemory`] value, decided *before* a page is touched: eager touching would otherwise meet
//! the system's out-of-memory killer, which gives no error to handle.
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
//! `cargo run --example resident` does all of the above, in some 90 lines: `examples/resident.rs`.
//!
//! # Features
//!
//! - `napi`: the Node-API binding, which the npm package is built from. Off by default; the crate
//!   then depends on `libc` and `zeroize` alone, and on Windows on `windows-sys`.
//!
//! # The standard library
//!
//! The crate needs it, and processors with addresses of 64 bits. It keeps books that all threads share and allowances
//! of each thread, touches large blocks with several threads, reads the system's files to learn what memory is left,
//! and reports [`std::io::Error`]s: of a crate without `std`, only the bare allocator would be left.
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

// Lengths and addresses are numbers of 64 bits throughout, and JavaScript gets them as such.
const _: () = assert!(usize::BITS == 64, "cmalloc is for processors with addresses of 64 bits");

mod allocator;
mod block;
mod books;
mod budget;
pub mod debug;
mod error;
#[cfg(feature = "fault-injection")]
pub mod fault;
#[cfg(not(feature = "fault-injection"))]
mod fault;
mod fill;
mod growing;
#[cfg(any(feature = "napi", test))]
#[cfg_attr(test, allow(dead_code, reason = "only the binding uses all of it"))]
mod intervals;
#[cfg(feature = "napi")]
#[cfg_attr(test, allow(dead_code, reason = "what JavaScript calls is not registered in a test build"))]
mod napi;
mod os;
mod placement;
mod pool;
mod residency;
mod sync;
mod touch;

/// The Rust of the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use block::{Alignment, Block, BlockOptions, Consumed};
pub use budget::{Budget, budget, set_memory_limit};
pub use error::OutOfMemory;
pub use growing::Growing;
pub use os::page_size;
pub use pool::{Pool, PoolOptions, PoolStats};
