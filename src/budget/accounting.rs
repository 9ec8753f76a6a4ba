//! [`Accounting`]: how much all blocks of the process hold together, and how much they may hold.

use crate::error::OutOfMemory;
use crate::sync::{AtomicUsize, Ordering};

/// Sums over all threads, in bytes.
pub(super) struct Accounting {
    live: AtomicUsize,
    peak: AtomicUsize,
    limit: AtomicUsize,
}

impl Accounting {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self { live: AtomicUsize::new(0), peak: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self { live: AtomicUsize::new(0), peak: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) }
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != usize::MAX)
    }

    pub(super) fn set_limit(&self, limit: Option<usize>) {
        self.limit.store(limit.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// Counts `len` more bytes. Only the set limit can refuse them.
    ///
    /// Refused bytes are never counted, not even for a moment: otherwise other threads could be refused because of
    /// them, and the peak would include them.
    #[inline]
    pub(super) fn charge(&self, len: usize) -> Result<(), OutOfMemory> {
        let mut live = self.live.load(Ordering::Relaxed);
        loop {
            let total = self.within_limit(live, len)?;
            match self.live.compare_exchange_weak(live, total, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    if total > self.peak.load(Ordering::Relaxed) {
                        self.peak.fetch_max(total, Ordering::Relaxed);
                    }
                    return Ok(());
                }
                Err(now) => live = now,
            }
        }
    }

    /// Counts `len` bytes less.
    #[inline]
    pub(super) fn refund(&self, len: usize) {
        self.live.fetch_sub(len, Ordering::Relaxed);
    }

    /// Fails if the set limit would refuse `len` more bytes. Counts nothing.
    pub(super) fn check(&self, len: usize) -> Result<(), OutOfMemory> {
        self.within_limit(self.live(), len).map(|_| ())
    }

    /// `live` and `len` together, if the set limit allows that.
    #[inline]
    fn within_limit(&self, live: usize, len: usize) -> Result<usize, OutOfMemory> {
        let limit = self.limit.load(Ordering::Relaxed);
        match live.checked_add(len) {
            Some(total) if total <= limit => Ok(total),
            _ => Err(OutOfMemory::Limit { requested: len, live, limit }),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn nothing_more_fits_without_a_limit() {
        let accounting = Accounting::new();
        assert!(accounting.within_limit(usize::MAX, 0).is_ok() && accounting.within_limit(usize::MAX, 1).is_err());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    #[test]
    fn threads_never_pass_the_limit_together() {
        loom::model(|| {
            let accounting = Arc::new(Accounting::new());
            accounting.set_limit(Some(100));
            let threads = [60, 60].map(|len| {
                let accounting = Arc::clone(&accounting);
                thread::spawn(move || accounting.charge(len).is_ok())
            });
            let live = accounting.live();
            assert!(live == 0 || live == 60, "{live} bytes are counted");
            let charged = threads.into_iter().map(|thread| thread.join().unwrap());
            assert_eq!(charged.filter(|ok| *ok).count(), 1);
            assert_eq!((accounting.live(), accounting.peak()), (60, 60));
            accounting.refund(60);
            assert_eq!(accounting.live(), 0);
        });
    }

    #[test]
    fn no_charge_and_no_peak_is_lost() {
        loom::model(|| {
            let accounting = Arc::new(Accounting::new());
            let threads = [10, 20].map(|len| {
                let accounting = Arc::clone(&accounting);
                thread::spawn(move || {
                    accounting.charge(len).unwrap();
                    accounting.refund(len);
                    accounting.charge(len).unwrap();
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!((accounting.live(), accounting.peak()), (30, 30));
        });
    }
}
