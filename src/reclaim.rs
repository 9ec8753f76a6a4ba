//! What is done before a request is refused for want of memory: whoever retains memory frees it, and the request is
//! tried again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::OutOfMemory;

/// Something that retains memory which nobody uses at present.
pub(crate) trait Retainer: Send + Sync {
    /// Frees everything that is retained. Returns how many bytes that were.
    fn free_retained(&self) -> usize;

    /// Whether an address lies in memory that is retained.
    #[cfg(feature = "napi")]
    fn retains(&self, address: usize) -> bool;
}

static RETAINERS: Mutex<Vec<Weak<dyn Retainer>>> = Mutex::new(Vec::new());

/// Adds a retainer to those that are asked for their memory. It is removed when it is dropped.
pub(crate) fn register(retainer: Weak<dyn Retainer>) {
    let mut retainers = lock();
    retainers.retain(|retainer| retainer.strong_count() > 0);
    retainers.push(retainer);
}

/// Frees what every retainer of the process retains. Returns whether there was anything.
fn free_retained() -> bool {
    // All are asked, also after the first that had something.
    retainers().iter().map(|retainer| retainer.free_retained()).sum::<usize>() > 0
}

/// Whether an address lies in memory that is retained: no block is there, but C's allocator does not have it either.
#[cfg(feature = "napi")]
pub(crate) fn retains(address: usize) -> bool {
    retainers().iter().any(|retainer| retainer.retains(address))
}

/// Runs `operation`. If it is refused, frees what is retained and runs it again.
#[inline]
pub(crate) fn retry<T>(operation: impl FnMut() -> Result<T, OutOfMemory>) -> Result<T, OutOfMemory> {
    retry_while(operation, |_| false)
}

/// Like [`retry`]. But if the operation is still refused, it is tried again as long as `free_more` returns `true`.
#[inline]
pub(crate) fn retry_while<T>(
    mut operation: impl FnMut() -> Result<T, OutOfMemory>,
    free_more: impl FnMut(&OutOfMemory) -> bool,
) -> Result<T, OutOfMemory> {
    #[cold]
    fn again<T>(
        mut refusal: OutOfMemory,
        mut operation: impl FnMut() -> Result<T, OutOfMemory>,
        mut free_more: impl FnMut(&OutOfMemory) -> bool,
    ) -> Result<T, OutOfMemory> {
        // Retained memory is not locked, so freeing it does not help a request that cannot be locked.
        let free = |refusal: &OutOfMemory| !matches!(refusal, OutOfMemory::Lock { .. }) && free_retained();
        let mut freed = free(&refusal);
        while freed || free_more(&refusal) {
            match operation() {
                Ok(value) => return Ok(value),
                Err(again) => refusal = again,
            }
            // Not twice in a row: other threads may give blocks back all the time.
            freed = !freed && free(&refusal);
        }
        Err(refusal)
    }
    operation().or_else(|refusal| again(refusal, operation, free_more))
}

/// Every retainer. The lock is released before they are used: dropping the last `Arc` of one frees blocks.
fn retainers() -> Vec<Arc<dyn Retainer>> {
    lock().iter().filter_map(Weak::upgrade).collect()
}

fn lock() -> MutexGuard<'static, Vec<Weak<dyn Retainer>>> {
    RETAINERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: OutOfMemory = OutOfMemory::Allocator { requested: 1 };

    #[test]
    fn a_refused_operation_is_tried_again_as_long_as_more_is_freed() {
        let (mut runs, mut freed) = (0, 0);
        let refused = retry_while(
            || -> Result<(), _> {
                runs += 1;
                Err(REFUSAL)
            },
            |refusal| {
                assert_eq!(*refusal, REFUSAL);
                freed += 1;
                freed < 3
            },
        );
        assert_eq!((refused, freed), (Err(REFUSAL), 3));
        // Other tests have pools, which may retain something each time.
        assert!((3..=6).contains(&runs), "{runs} runs");
    }

    #[test]
    fn an_operation_that_succeeds_runs_once() {
        let mut runs = 0;
        let done = retry(|| {
            runs += 1;
            Ok(runs)
        });
        assert_eq!(done, Ok(1));
    }
}
