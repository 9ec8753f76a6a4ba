//! What JavaScript is given: each file is a class or a group of functions of the binding.

mod address_ranges;
mod block_pool;
mod debug;
#[cfg(feature = "fault-injection")]
mod faults;
mod incremental_block;
mod raw_calls;
pub(super) mod slot;
mod stats;
mod thread;
