//! When an environment is swept next: what has come since the last time.

use std::cell::Cell;

use crate::napi::node_api::weak::Growth;

/// Bytes, and slots, by which an environment grows at least before it is swept.
pub(crate) const BYTES: u64 = 128 << 20;
const SLOTS: u64 = 16 << 10;

/// Bytes by which an environment grows before a sweep collects garbage by itself: V8 may have found no reason, or no time.
/// And if an `ArrayBuffer` refers to its own slot, our strong reference to it keeps the slot alive too.
const UNDECIDED: u64 = 256 << 20;

/// What a block with an `ArrayBuffer` takes besides its bytes, until the event loop turns.
const OVERHEAD: u64 = 4096;

/// What a block with an `ArrayBuffer` weighs in the decision to sweep.
pub(crate) fn weight(len: usize) -> u64 {
    len as u64 + OVERHEAD
}

/// What is looked at next, and when.
pub(crate) struct SweepSchedule {
    /// By live bytes.
    pub(crate) bytes: Growth,
    /// By slots.
    pub(crate) slots: Growth,
    /// When garbage is collected for it: by live bytes.
    pub(crate) undecided: Growth,
    pub(crate) let_go: LetGo,
    /// By bytes that are left to `SharedArrayBuffer`s.
    pub(crate) left: Growth,
}

/// How much an environment has let go, as far as it is known without looking.
pub(crate) struct LetGo {
    weight: Cell<u64>,
    sweep_at: Cell<Option<u64>>,
}

impl SweepSchedule {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: Growth::new(BYTES),
            slots: Growth::new(SLOTS),
            undecided: Growth::new(UNDECIDED),
            let_go: LetGo { weight: Cell::new(0), sweep_at: Cell::new(None) },
            left: Growth::new(BYTES),
        }
    }
}

impl LetGo {
    /// An upper bound of the bytes that are let go.
    pub(crate) fn bytes(&self) -> u64 {
        self.weight.get()
    }

    pub(crate) fn set(&self, weight: u64) {
        self.weight.set(weight);
    }

    /// Whether there may be so much that a sweep is due. `turns` says that turns of the event loop end blocks, too.
    pub(crate) fn is_due(&self, turns: bool) -> bool {
        let sweep_at = self.sweep_at.get().unwrap_or_else(|| {
            let first = quantum(turns);
            self.sweep_at.set(Some(first));
            first
        });
        self.weight.get() >= sweep_at
    }

    /// Notes what a sweep has found to be in use still.
    pub(crate) fn swept(&self, weight: u64, turns: bool) {
        self.weight.set(weight);
        self.sweep_at.set(Some(weight + quantum(turns).max(weight / 2)));
    }
}

/// How much more may be let go before a sweep. Less if memory is scarce, or if only sweeps end blocks (workers). But enough
/// that sweeps do not take most of the time. (What is refused has a sweep of its own.)
fn quantum(turns: bool) -> u64 {
    const PART: u64 = 8;
    const LEAST: u64 = 32 << 20;
    if !turns {
        return LEAST;
    }
    let budget = crate::budget();
    let limit = budget.limit.map_or(u64::MAX, |limit| limit as u64 / PART);
    let machine = budget.available.map_or(u64::MAX, |available| (available + budget.live as u64) / PART);
    BYTES.min(limit).min(machine).max(LEAST)
}
