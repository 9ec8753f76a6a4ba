//! The books: what all blocks of the process hold together, and the most that they may.

use crate::error::OutOfMemory;
use crate::sync::{AtomicUsize, Ordering};

/// Sums over all threads, in bytes.
pub(crate) struct Books {
    live: AtomicUsize,
    peak: AtomicUsize,
    limit: AtomicUsize,
}

impl Books {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { live: AtomicUsize::new(0), peak: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { live: AtomicUsize::new(0), peak: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) }
    }

    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != usize::MAX)
    }

    pub(crate) fn set_limit(&self, limit: Option<usize>) {
        self.limit.store(limit.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// Enters `len` bytes; only the set limit can refuse them.
    ///
    /// What is refused is never in the books, not for a moment: other threads would be refused for it,
    /// and the peak would show it.
    #[inline]
    pub(crate) fn enter(&self, len: usize) -> Result<(), OutOfMemory> {
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

    /// Takes `len` bytes out.
    #[inline]
    pub(crate) fn leave(&self, len: usize) {
        self.live.fetch_sub(len, Ordering::Relaxed);
    }

    /// Whether the set limit would refuse `len` more bytes; nothing is entered.
    pub(crate) fn check(&self, len: usize) -> Result<(), OutOfMemory> {
        self.within_limit(self.live(), len).map(|_| ())
    }

    /// The sum of what is live and `len`, if the set limit allows it.
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
        let books = Books::new();
        assert!(books.within_limit(usize::MAX, 0).is_ok() && books.within_limit(usize::MAX, 1).is_err());
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
            let books = Arc::new(Books::new());
            books.set_limit(Some(100));
            let threads = [60, 60].map(|len| {
                let books = Arc::clone(&books);
                thread::spawn(move || books.enter(len).is_ok())
            });
            let live = books.live();
            assert!(live == 0 || live == 60, "{live} bytes are in the books");
            let entered = threads.into_iter().map(|thread| thread.join().unwrap());
            assert_eq!(entered.filter(|ok| *ok).count(), 1);
            assert_eq!((books.live(), books.peak()), (60, 60));
            books.leave(60);
            assert_eq!(books.live(), 0);
        });
    }

    #[test]
    fn no_entry_and_no_peak_is_lost() {
        loom::model(|| {
            let books = Arc::new(Books::new());
            let threads = [10, 20].map(|len| {
                let books = Arc::clone(&books);
                thread::spawn(move || {
                    books.enter(len).unwrap();
                    books.leave(len);
                    books.enter(len).unwrap();
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!((books.live(), books.peak()), (30, 30));
        });
    }
}
