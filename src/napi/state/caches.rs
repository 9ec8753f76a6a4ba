//! The caches of freed blocks. They are in JavaScript, one for each evaluation of `lib/`: slots that keep their blocks, for the
//! next `malloc` of the same length. To everything here such a slot owns its block as any other does.
//!
//! Only what is counted differs: a block that goes into the cache was freed, and one that comes out was allocated. The caches
//! count both in their [`Registers`], where every thread can read it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::registers::Registers;

/// A cache, until it is dropped with the raw calls of its evaluation.
pub(crate) struct Cache(&'static Registers);

/// What caches have counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Cached {
    pub(crate) handed_out: u64,
    /// What is in there now.
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    /// Blocks that were left in caches that are gone: the collector, or the end of the thread, frees them.
    pub(crate) left: u64,
}

struct Caches {
    present: Vec<&'static Registers>,
    past: Cached,
    keep_nothing: bool,
}

static CACHES: Mutex<Caches> = Mutex::new(Caches {
    present: Vec::new(),
    past: Cached { handed_out: 0, blocks: 0, bytes: 0, left: 0 },
    keep_nothing: false,
});

impl Cache {
    /// The cache that counts in these registers.
    pub(crate) fn new(registers: &'static Registers) -> Self {
        let mut caches = lock();
        if caches.keep_nothing {
            registers.set(Registers::GIVE_UP, KEEP_NOTHING);
        }
        caches.present.push(registers);
        Self(registers)
    }

    pub(crate) fn counts(&self) -> Cached {
        Cached::of(self.0)
    }

    /// Whether it has blocks, and was not asked for them yet.
    pub(crate) fn may_give_up(&self) -> bool {
        self.counts().blocks > 0 && self.0.count(Registers::GIVE_UP) == 0
    }

    /// Asks it to free its blocks, if it has any.
    pub(crate) fn ask(&self) {
        let caches = lock();
        self.0.set(Registers::GIVE_UP, if caches.keep_nothing { KEEP_NOTHING } else { GIVE_UP_ONCE });
    }

    /// Notes, once, that nobody uses it any more.
    pub(crate) fn end(&self) {
        let mut caches = lock();
        if let Some(index) = caches.present.iter().position(|registers| std::ptr::eq(*registers, self.0)) {
            caches.present.swap_remove(index);
            caches.past = caches.past.and(self.counts().as_left());
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.end();
    }
}

impl Cached {
    fn of(registers: &Registers) -> Self {
        Self {
            handed_out: registers.count(Registers::HANDED_OUT),
            blocks: registers.count(Registers::CACHED_BLOCKS),
            bytes: registers.count(Registers::CACHED_BYTES),
            left: 0,
        }
    }

    /// The same, of a cache that is gone.
    pub(crate) fn as_left(self) -> Self {
        Self { left: self.left + self.blocks, blocks: 0, bytes: 0, ..self }
    }

    /// The sum. JavaScript's numbers may be anything, so it does not overflow.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            handed_out: self.handed_out.saturating_add(other.handed_out),
            blocks: self.blocks.saturating_add(other.blocks),
            bytes: self.bytes.saturating_add(other.bytes),
            left: self.left.saturating_add(other.left),
        }
    }

    /// How many more blocks were freed by calls than went back to C, or to a pool, by a call.
    pub(crate) fn freed(self) -> u64 {
        self.handed_out.saturating_add(self.blocks).saturating_add(self.left)
    }
}

/// What all caches of the process have counted.
pub(crate) fn totals() -> Cached {
    let caches = lock();
    caches.present.iter().map(|registers| Cached::of(registers)).fold(caches.past, Cached::and)
}

/// What [`Registers::GIVE_UP`] says.
const GIVE_UP_ONCE: f64 = 1.0;
const KEEP_NOTHING: f64 = 2.0;

/// Asks every cache that has blocks to free them: each does at its next call.
pub(crate) fn ask_to_give_up() {
    lock().ask_to_give_up();
}

/// Has no cache keep anything, or every cache keep blocks again.
pub(crate) fn set_keep_nothing(keep_nothing: bool) {
    let mut caches = lock();
    caches.keep_nothing = keep_nothing;
    for registers in &caches.present {
        registers.set(Registers::GIVE_UP, if keep_nothing { KEEP_NOTHING } else { 0.0 });
    }
    caches.ask_to_give_up();
}

impl Caches {
    fn ask_to_give_up(&self) {
        for registers in &self.present {
            if self.keep_nothing {
                // Once more: a thread that was just giving up may have overwritten it.
                registers.set(Registers::GIVE_UP, KEEP_NOTHING);
            } else if registers.count(Registers::CACHED_BLOCKS) > 0 {
                registers.set(Registers::GIVE_UP, GIVE_UP_ONCE);
            }
        }
    }
}

/// Nothing panics while it holds the lock.
fn lock() -> MutexGuard<'static, Caches> {
    CACHES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_a_cache_counted_outlives_it() {
        let registers = Registers::leak();
        let cache = Cache::new(registers);
        registers.set(Registers::HANDED_OUT, 5.0);
        registers.set(Registers::CACHED_BLOCKS, 2.0);
        registers.set(Registers::CACHED_BYTES, 30.0);
        assert_eq!(cache.counts(), Cached { handed_out: 5, blocks: 2, bytes: 30, left: 0 });
        assert_eq!(totals(), Cached { handed_out: 5, blocks: 2, bytes: 30, left: 0 });
        ask_to_give_up();
        assert_eq!(registers.count(Registers::GIVE_UP), 1);
        set_keep_nothing(true);
        registers.set(Registers::GIVE_UP, 0.0);
        ask_to_give_up();
        assert_eq!(registers.count(Registers::GIVE_UP), 2);
        set_keep_nothing(false);
        assert_eq!(registers.count(Registers::GIVE_UP), 1);
        cache.end();
        drop(cache);
        assert_eq!(totals(), Cached { handed_out: 5, blocks: 0, bytes: 0, left: 2 });
        assert_eq!(totals().freed(), 7);
    }

    #[test]
    fn what_is_no_count_is_none() {
        let registers = Registers::leak();
        for wrong in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            registers.set(Registers::CACHED_BYTES, wrong);
            assert_eq!(Cached::of(registers).bytes, 0);
        }
        registers.set(Registers::CACHED_BYTES, f64::INFINITY);
        let most = Cached::of(registers);
        assert_eq!(most.and(most).bytes, u64::MAX);
    }
}
