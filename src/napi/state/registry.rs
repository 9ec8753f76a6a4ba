//! The threads that loaded the addon: their slot tables, and what those that are gone counted.

#[cfg(not(loom))]
use std::sync::LazyLock;
use std::sync::{Arc, PoisonError};

use super::counters::Counters;
use super::slot_table::{Owned, SlotTable};
use crate::sync::{Mutex, MutexGuard};

#[derive(Default)]
struct Registry {
    /// The tables of all environments.
    tables: Vec<Arc<SlotTable>>,
    /// What the counters of environments that are gone ended with.
    past: Counters,
}

#[cfg(not(loom))]
static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);
#[cfg(loom)]
loom::lazy_static! {
    static ref REGISTRY: Mutex<Registry> = Mutex::new(Registry::default());
}

pub(crate) fn add(table: &Arc<SlotTable>) {
    lock().tables.push(Arc::clone(table));
}

pub(crate) fn remove(table: &Arc<SlotTable>) {
    let mut registry = lock();
    registry.tables.retain(|other| !Arc::ptr_eq(other, table));
    registry.past.add(&table.counters);
}

/// Whether `address` lies in a block of any slot.
pub(crate) fn owns(address: usize) -> Owned {
    let registry = lock();
    let mut answers = registry.tables.iter().map(|table| table.owns(address));
    answers.find(|owned| *owned != Owned::No).unwrap_or(Owned::No)
}

/// What all environments counted.
pub(crate) fn totals() -> Counters {
    let registry = lock();
    let totals = Counters::default();
    let tables = registry.tables.iter().map(|table| &table.counters);
    tables.chain([&registry.past]).for_each(|counters| totals.add(counters));
    totals
}

/// Nothing panics while it holds the lock.
fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}
