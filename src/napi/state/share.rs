//! A block over which there are `SharedArrayBuffer`s. Other threads may have its bytes, and nobody can take them away.
//!
//! So a shared block outlives its owner as long as there is one of them: whoever would end it leaves it here, and the end of
//! the last one ends it, in whichever thread that comes. The environment may be gone by then: nothing here needs it.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, PoisonError};

use super::owned_addresses;
use crate::sync::{Mutex, MutexGuard, Ordering};

/// Who has the bytes of a shared block `B`, beside its owner.
pub(crate) struct Share<B> {
    start: usize,
    len: usize,
    holders: Mutex<Holders<B>>,
    left: Arc<LeftBytes>,
}

struct Holders<B> {
    /// How many backing stores have the bytes. JavaScript posts one store to any number of threads.
    stores: usize,
    /// The block, once its owner has left it to them.
    block: Option<B>,
}

/// The bytes of an environment that were left to `SharedArrayBuffer`s, and have not ended. V8 does not count them.
#[derive(Default)]
pub(crate) struct LeftBytes {
    total: AtomicU64,
    /// What V8 is still to be told of them, by the environment's own thread.
    unreported: AtomicI64,
}

impl<B> Share<B> {
    /// For a block of the environment whose left bytes are given. It has no store yet.
    pub(crate) fn new(start: usize, len: usize, left: &Arc<LeftBytes>) -> Arc<Self> {
        let holders = Mutex::new(Holders { stores: 0, block: None });
        Arc::new(Self { start, len, holders, left: Arc::clone(left) })
    }

    pub(crate) fn start(&self) -> usize {
        self.start
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// One store more has the bytes.
    pub(crate) fn add_store(&self) {
        self.holders().stores += 1;
    }

    /// A store is gone. Returns the block if it was left to it: the caller ends it.
    #[must_use = "nobody else ends the block"]
    pub(crate) fn store_ended(&self) -> Option<B> {
        let mut holders = self.holders();
        holders.stores -= 1;
        if holders.stores > 0 {
            return None;
        }
        let block = holders.block.take()?;
        self.left.subtract(self.len);
        // Nobody may be known to own it any more once C has it back.
        owned_addresses::lock().remove_shared(self.start);
        Some(block)
    }

    /// The owner gives the block up. Returns it if no store has the bytes: the caller ends it. Otherwise it counts as
    /// reported to V8 from now on, until it ends.
    #[must_use = "nobody else ends the block"]
    pub(crate) fn leave(&self, block: B) -> Option<B> {
        let mut holders = self.holders();
        let mut owned = owned_addresses::lock();
        if holders.stores == 0 {
            owned.remove_shared(self.start);
            return Some(block);
        }
        holders.block = Some(block);
        self.left.add(self.len);
        owned.note_left(self.start);
        None
    }

    fn holders(&self) -> MutexGuard<'_, Holders<B>> {
        // Nothing panics under the lock but Rust's own allocator.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeftBytes {
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// By how much V8's count has to change. To be called by the environment's own thread, which tells V8.
    ///
    /// What a block adds here is added before its owner takes back what it had reported, and is subtracted after that: so no
    /// sum of both falls below zero, for which V8 aborts.
    pub(crate) fn take_unreported(&self) -> i64 {
        self.unreported.swap(0, Ordering::AcqRel)
    }

    fn add(&self, len: usize) {
        self.total.fetch_add(len as u64, Ordering::Relaxed);
        self.unreported.fetch_add(signed(len), Ordering::AcqRel);
    }

    fn subtract(&self, len: usize) {
        self.total.fetch_sub(len as u64, Ordering::Relaxed);
        self.unreported.fetch_sub(signed(len), Ordering::AcqRel);
    }
}

/// A length as a signed number: no block is longer than `isize::MAX`.
fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::napi::state::slot_table::Owned;

    fn shared(start: usize, stores: usize) -> (Arc<Share<u8>>, Arc<LeftBytes>) {
        let left = Arc::default();
        let share = Share::new(start, 100, &left);
        (0..stores).for_each(|_| share.add_store());
        owned_addresses::lock().add_shared(start, 100);
        (share, left)
    }

    fn is_owned(address: usize) -> bool {
        owned_addresses::lock().owns(address) == Owned::Yes
    }

    #[test]
    fn the_last_store_ends_what_was_left() {
        let start = 3 << 40;
        let (share, left) = shared(start, 2);
        assert_eq!(share.leave(7), None);
        assert_eq!((left.total(), left.take_unreported(), is_owned(start + 99)), (100, 100, true));
        assert_eq!((share.store_ended(), is_owned(start)), (None, true));
        assert_eq!((share.store_ended(), is_owned(start)), (Some(7), false));
        assert_eq!((left.total(), left.take_unreported()), (0, -100));
    }

    #[test]
    fn a_block_without_stores_comes_back() {
        let start = 5 << 40;
        let (share, left) = shared(start, 1);
        assert_eq!((share.store_ended(), is_owned(start)), (None, true));
        assert_eq!((share.leave(7), is_owned(start)), (Some(7), false));
        assert_eq!((left.total(), left.take_unreported()), (0, 0));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::thread;

    use super::*;

    #[test]
    fn owner_and_stores_that_end_together_end_the_block_once() {
        loom::model(|| {
            let left = Arc::default();
            let share = Share::new(1 << 40, 100, &left);
            (0..2).for_each(|_| share.add_store());
            owned_addresses::lock().add_shared(1 << 40, 100);
            let stores = [(); 2].map(|()| {
                let share = Arc::clone(&share);
                thread::spawn(move || share.store_ended())
            });
            let mut ends = usize::from(share.leave(7).is_some());
            for store in stores {
                ends += usize::from(store.join().unwrap().is_some());
            }
            assert_eq!((ends, left.total(), left.take_unreported()), (1, 0, 0));
        });
    }
}
