//! The threads that loaded the addon: their slot tables, and what those that are gone counted.

use std::sync::{Arc, PoisonError};

use super::counters::Totals;
use super::slot_table::{Owned, SlotTable};
use crate::sync::{Mutex, MutexGuard};

struct Registry {
    /// The tables of all environments.
    tables: Vec<Arc<SlotTable>>,
    /// What the counters of environments that are gone ended with.
    past: Totals,
}

#[cfg(not(loom))]
static REGISTRY: Mutex<Registry> = Mutex::new(Registry { tables: Vec::new(), past: Totals::NONE });
#[cfg(loom)]
loom::lazy_static! {
    static ref REGISTRY: Mutex<Registry> = Mutex::new(Registry { tables: Vec::new(), past: Totals::NONE });
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
pub(crate) fn totals() -> Totals {
    let registry = lock();
    let mut totals = registry.past;
    for table in &registry.tables {
        totals.add(&table.counters);
    }
    totals
}

/// Nothing panics while it holds the lock.
fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}
