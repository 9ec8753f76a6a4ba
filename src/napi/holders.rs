//! Who holds a block that has an `ArrayBuffer`, and which of them frees it.
//!
//! There are two: the slot, and the backing store. Either may end first, and the store in any thread. Nothing
//! here knows of Node-API: it is about the order of events alone.

use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};

/// The holders of a block `B`, and the block.
pub(super) struct Holders<B>(Mutex<State<B>>);

struct State<B> {
    /// `None` once it was taken back, freed or leaked.
    block: Option<B>,
    /// Whether the slot holds on to the block.
    slot: bool,
    store: Store,
    /// Whether, as the environment began to go down, the bytes were still under the `ArrayBuffer` that
    /// was made for them.
    unmoved_at_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// The runtime has not said yet that it made the `ArrayBuffer`: its finalizer must do nothing.
    Unborn,
    /// Some `ArrayBuffer`, ours or another, holds the bytes.
    Held,
    /// Its finalizer has run.
    Gone,
}

/// What the end of the backing store leaves to be done with the block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rest<B> {
    /// Nobody holds it any more.
    Free(B),
    /// Another thread may be reading it.
    Leak(B),
}

impl<B> Holders<B> {
    /// Held by the slot, and by a store that is still to be born.
    pub(super) fn new(block: B) -> Self {
        Self(Mutex::new(State { block: Some(block), slot: true, store: Store::Unborn, unmoved_at_end: false }))
    }

    /// The runtime has made the `ArrayBuffer`.
    pub(super) fn store_is_born(&self) {
        self.state().store = Store::Held;
    }

    pub(super) fn store(&self) -> Store {
        self.state().store
    }

    /// Whether the block is still here: nobody took it back, and it was not freed or leaked.
    pub(super) fn has_block(&self) -> bool {
        self.state().block.is_some()
    }

    /// Notes, as the environment begins to go down, whether the bytes never left their `ArrayBuffer`.
    pub(super) fn note_end(&self, unmoved: bool) {
        self.state().unmoved_at_end = unmoved;
    }

    /// Takes the block out: nobody but the slot can reach its bytes.
    pub(super) fn take(&self) -> Option<B> {
        self.state().block.take()
    }

    /// The slot lets go: from here on the backing store alone holds the block, as `leave` is told before
    /// the store can end. Returns the block if the store has ended already.
    pub(super) fn slot_ended(&self, leave: impl FnOnce(&B)) -> Option<B> {
        let mut state = self.state();
        state.slot = false;
        if state.store == Store::Gone {
            return state.block.take();
        }
        state.block.as_ref().map(leave);
        None
    }

    /// The backing store has ended, or its environment goes down; in the first case `is_over` says so.
    ///
    /// As an environment goes down the runtime calls finalizers even if the store was moved to another
    /// thread, which may be reading the bytes: then leaking is the safe choice. If they never left the
    /// `ArrayBuffer` that we made, nobody can: no JavaScript runs here any more.
    pub(super) fn store_ended(&self, is_over: impl FnOnce() -> bool) -> Option<Rest<B>> {
        let must_ask = self.state().block.is_some();
        // Asked without the lock, as it enters the runtime.
        let is_over = !must_ask || is_over();
        let mut state = self.state();
        let safe = is_over || state.unmoved_at_end;
        state.store = Store::Gone;
        if safe && state.slot {
            return None;
        }
        state.block.take().map(if safe { Rest::Free } else { Rest::Leak })
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        // Nothing panics under the lock but the allocator's own bookkeeping.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn born() -> Holders<u8> {
        let holders = Holders::new(7);
        holders.store_is_born();
        holders
    }

    #[test]
    fn the_last_holder_frees() {
        let holders = born();
        assert_eq!(holders.store_ended(|| true), None);
        assert_eq!((holders.store(), holders.slot_ended(|_| unreachable!())), (Store::Gone, Some(7)));
        let holders = born();
        let mut left = false;
        assert_eq!(holders.slot_ended(|_| left = true), None);
        assert!(left);
        assert_eq!(holders.store_ended(|| true), Some(Rest::Free(7)));
    }

    #[test]
    fn what_was_moved_as_the_environment_goes_down_is_leaked() {
        assert_eq!(born().store_ended(|| false), Some(Rest::Leak(7)));
        let holders = born();
        holders.slot_ended(|_| ());
        assert_eq!(holders.store_ended(|| false), Some(Rest::Leak(7)));
    }

    #[test]
    fn what_never_moved_is_freed_as_the_environment_goes_down() {
        let holders = born();
        holders.note_end(true);
        holders.slot_ended(|_| ());
        assert_eq!(holders.store_ended(|| false), Some(Rest::Free(7)));
    }

    #[test]
    fn a_block_that_was_taken_back_is_nobody_elses() {
        let holders = born();
        assert_eq!(holders.take(), Some(7));
        assert_eq!(holders.store_ended(|| unreachable!("there is nothing to ask for")), None);
        assert_eq!((holders.take(), holders.slot_ended(|_| unreachable!())), (None, None));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    use super::*;

    /// How often a block was freed, leaked, and left to its store.
    #[derive(Default)]
    struct Counts {
        frees: AtomicUsize,
        leaks: AtomicUsize,
        left: AtomicUsize,
    }

    /// A block that counts its end.
    struct Counted {
        counts: Arc<Counts>,
        leaked: bool,
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            let counter = if self.leaked { &self.counts.leaks } else { &self.counts.frees };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn shared() -> (Arc<Counts>, Arc<Holders<Counted>>) {
        let counts = Arc::new(Counts::default());
        let holders = Arc::new(Holders::new(Counted { counts: Arc::clone(&counts), leaked: false }));
        holders.store_is_born();
        (counts, holders)
    }

    fn end_store(holders: &Holders<Counted>, is_over: bool) {
        match holders.store_ended(|| is_over) {
            Some(Rest::Leak(mut block)) => block.leaked = true,
            Some(Rest::Free(block)) => drop(block),
            None => {}
        }
    }

    fn counted(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::Relaxed)
    }

    #[test]
    fn slot_and_store_that_end_together_free_once() {
        loom::model(|| {
            let (counts, holders) = shared();
            let store = {
                let holders = Arc::clone(&holders);
                thread::spawn(move || end_store(&holders, true))
            };
            drop(holders.slot_ended(|_| {
                counts.left.fetch_add(1, Ordering::Relaxed);
            }));
            store.join().unwrap();
            assert_eq!((counted(&counts.frees), counted(&counts.leaks)), (1, 0));
            assert!(holders.take().is_none());
        });
    }

    #[test]
    fn a_block_is_left_to_a_store_only_before_it_ends() {
        loom::model(|| {
            let (counts, holders) = shared();
            let store = {
                let (counts, holders) = (Arc::clone(&counts), Arc::clone(&holders));
                thread::spawn(move || {
                    let rest = holders.store_ended(|| true);
                    // Who was told of it is told, by now, before the block came here.
                    assert_eq!(counted(&counts.left), usize::from(rest.is_some()));
                })
            };
            let last = holders.slot_ended(|_| {
                counts.left.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(counted(&counts.left), usize::from(last.is_none()));
            drop(last);
            store.join().unwrap();
            assert_eq!(counted(&counts.frees), 1);
        });
    }

    #[test]
    fn a_block_that_is_taken_back_while_its_store_ends_is_freed_once() {
        for is_over in [true, false] {
            loom::model(move || {
                let (counts, holders) = shared();
                let store = {
                    let holders = Arc::clone(&holders);
                    thread::spawn(move || end_store(&holders, is_over))
                };
                let taken = holders.take();
                assert!(taken.is_some() || !is_over, "a store that is over takes nothing that the slot holds");
                drop(taken);
                store.join().unwrap();
                assert_eq!(counted(&counts.frees) + counted(&counts.leaks), 1);
            });
        }
    }

    #[test]
    fn an_environment_that_ends_leaks_or_frees_once() {
        loom::model(|| {
            let (counts, holders) = shared();
            let ending = {
                let holders = Arc::clone(&holders);
                thread::spawn(move || {
                    holders.note_end(true);
                    end_store(&holders, false);
                })
            };
            drop(holders.slot_ended(|_| ()));
            ending.join().unwrap();
            assert_eq!((counted(&counts.frees), counted(&counts.leaks)), (1, 0), "it never moved");
        });
    }
}
