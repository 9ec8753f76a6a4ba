//! What is known: of slots, of their blocks, and of who has the bytes.

pub(super) mod backing_stores;
pub(super) mod caches;
pub(super) mod control_block;
pub(super) mod counters;
pub(super) mod owned_addresses;
pub(super) mod pooled_block;
pub(super) mod registers;
pub(super) mod registry;
pub(super) mod shared_block;
pub(super) mod slot_table;
pub(super) mod slots;
pub(super) mod store_ends;
pub(super) mod sweep_schedule;
pub(super) mod tickets;
