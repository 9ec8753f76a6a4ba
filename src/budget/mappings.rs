//! How many mappings secure pages may take.
//!
//! Where pages are locked, a mapping is cut in two or three. At the limit of mappings a runtime cannot go on: V8 ends
//! the process. So an eighth of them is kept for the rest of the process, and what would need it is refused.
//!
//! To count the mappings of the process takes time: up to 20 ms. So each look-up grants half of what is left without
//! another.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::OutOfMemory;
use crate::os::{self, Mappings};

/// How many one run of secure pages takes: itself, and the rest of what it was cut from.
const EACH: usize = 2;

/// How many must be left, beyond the reserve. With fewer nearly every run would need a look-up.
const LEAST: usize = 128;

/// How many the secure pages of the process take.
static OURS: AtomicUsize = AtomicUsize::new(0);
/// Up to how many they may take without a look-up.
static GRANTED: AtomicUsize = AtomicUsize::new(0);

/// Counts one more run of secure pages, or refuses it. `requested` is the length of the block that it is for.
pub(crate) fn charge(requested: usize) -> Result<(), OutOfMemory> {
    let ours = OURS.fetch_add(EACH, Ordering::Relaxed) + EACH;
    if ours <= GRANTED.load(Ordering::Relaxed) {
        return Ok(());
    }
    check(requested).map(|more| GRANTED.store(ours.saturating_add(more), Ordering::Relaxed)).inspect_err(|_| refund())
}

/// Counts one run less.
pub(crate) fn refund() {
    OURS.fetch_sub(EACH, Ordering::Relaxed);
}

/// Fails if another run would be refused now. Otherwise says how many may be taken without another look-up.
pub(crate) fn check(requested: usize) -> Result<usize, OutOfMemory> {
    os::mappings().map_or(Ok(usize::MAX), |mappings| grant(requested, mappings, OURS.load(Ordering::Relaxed)))
}

/// Where the system does not tell how many mappings there are, only ours are known.
fn grant(requested: usize, Mappings { used, limit }: Mappings, ours: usize) -> Result<usize, OutOfMemory> {
    let used = used.unwrap_or(ours);
    match (limit - limit / 8).checked_sub(used) {
        Some(left) if left >= LEAST => Ok(left / 2),
        _ => Err(OutOfMemory::Mappings { requested, used, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eighth_of_the_mappings_is_kept() {
        let grant = |used, ours| grant(32, Mappings { used, limit: 8000 }, ours);
        assert_eq!(grant(Some(1000), 10), Ok(3000));
        assert_eq!(grant(Some(7000 - LEAST), 10), Ok(LEAST / 2));
        for (used, ours, counted) in [(Some(7001 - LEAST), 0, 7001 - LEAST), (Some(9000), 0, 9000), (None, 7500, 7500)]
        {
            assert_eq!(grant(used, ours), Err(OutOfMemory::Mappings { requested: 32, used: counted, limit: 8000 }));
        }
        assert_eq!(grant(None, 1000), Ok(3000));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let before = OURS.load(Ordering::Relaxed);
        for _ in 0..10_000 {
            charge(1).unwrap();
            refund();
        }
        // Other tests have secure blocks meanwhile.
        assert!(OURS.load(Ordering::Relaxed) < before + 10_000);
    }
}
