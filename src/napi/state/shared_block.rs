//! A block that two hold: its slot, and the backing store of its `ArrayBuffer`. Which of them frees it?
//!
//! Either may end first, and the store in any thread. Nothing here knows of Node-API: it is about the order of events alone.

use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};

/// A block `B`, and who holds it.
pub(super) struct SharedBlock<B>(Mutex<State<B>>);

struct State<B> {
    /// `None` once it was taken back, freed or leaked.
    block: Option<B>,
    /// Whether the slot holds on to the block.
    slot: bool,
    store: Store,
    /// Whether, as the environment began to go down, the bytes were still under the `ArrayBuffer` that
    /// was made for them.
    unmoved_at_teardown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// The runtime has not said yet that it made the `ArrayBuffer`: its finalizer must do nothing.
    NotCreated,
    /// Some `ArrayBuffer`, ours or another, holds the bytes.
    Held,
    /// Its finalizer has run.
    Gone,
}

/// What the end of the backing store leaves to be done with the block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remainder<B> {
    /// Nobody holds it any more.
    Free(B),
    /// Another thread may be reading it.
    Leak(B),
}

impl<B> SharedBlock<B> {
    /// Held by the slot, and by a store that is still to be created.
    pub(super) fn new(block: B) -> Self {
        Self(Mutex::new(State { block: Some(block), slot: true, store: Store::NotCreated, unmoved_at_teardown: false }))
    }

    /// The runtime has made the `ArrayBuffer`.
    pub(super) fn store_was_created(&self) {
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
    pub(super) fn note_teardown(&self, unmoved: bool) {
        self.state().unmoved_at_teardown = unmoved;
    }

    /// Changes the block if it is still here. Returns whether it is.
    pub(super) fn change(&self, change: impl FnOnce(&mut B)) -> bool {
        self.state().block.as_mut().map(change).is_some()
    }

    /// Takes the block out: nobody but the slot can reach its bytes.
    pub(super) fn take(&self) -> Option<B> {
        self.state().block.take()
    }

    /// The slot lets go: from here on the backing store alone holds the block, and `left_to_store` is told so
    /// before the store can end. Returns the block if the store has ended already.
    pub(super) fn slot_ended(&self, left_to_store: impl FnOnce(&B)) -> Option<B> {
        let mut state = self.state();
        state.slot = false;
        if state.store == Store::Gone {
            return state.block.take();
        }
        state.block.as_ref().map(left_to_store);
        None
    }

    /// A finalizer ran. `is_over` tells why: true if the store has ended, false if its environment goes down.
    ///
    /// When an environment goes down, the runtime calls finalizers even if the store was moved to another thread, which may
    /// be reading the bytes: then leaking is the safe choice. If they never left the `ArrayBuffer` that we made, nobody can:
    /// no JavaScript runs here any more.
    pub(super) fn store_ended(&self, is_over: impl FnOnce() -> bool) -> Option<Remainder<B>> {
        let must_ask = self.state().block.is_some();
        // Asked without the lock, as it enters the runtime.
        let is_over = !must_ask || is_over();
        let mut state = self.state();
        let safe = is_over || state.unmoved_at_teardown;
        state.store = Store::Gone;
        if safe && state.slot {
            return None;
        }
        state.block.take().map(if safe { Remainder::Free } else { Remainder::Leak })
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        // Nothing panics under the lock but the allocator's own bookkeeping.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn created() -> SharedBlock<u8> {
        let shared = SharedBlock::new(7);
        shared.store_was_created();
        shared
    }

    #[test]
    fn the_last_holder_frees() {
        let shared = created();
        assert_eq!(shared.store_ended(|| true), None);
        assert_eq!((shared.store(), shared.slot_ended(|_| unreachable!())), (Store::Gone, Some(7)));
        let shared = created();
        let mut left = false;
        assert_eq!(shared.slot_ended(|_| left = true), None);
        assert!(left);
        assert_eq!(shared.store_ended(|| true), Some(Remainder::Free(7)));
    }

    #[test]
    fn what_was_moved_as_the_environment_goes_down_is_leaked() {
        assert_eq!(created().store_ended(|| false), Some(Remainder::Leak(7)));
        let shared = created();
        shared.slot_ended(|_| ());
        assert_eq!(shared.store_ended(|| false), Some(Remainder::Leak(7)));
    }

    #[test]
    fn what_never_moved_is_freed_as_the_environment_goes_down() {
        let shared = created();
        shared.note_teardown(true);
        shared.slot_ended(|_| ());
        assert_eq!(shared.store_ended(|| false), Some(Remainder::Free(7)));
    }

    #[test]
    fn a_block_that_was_taken_back_is_nobody_elses() {
        let shared = created();
        assert_eq!(shared.take(), Some(7));
        assert_eq!(shared.store_ended(|| unreachable!("there is nothing to ask for")), None);
        assert_eq!((shared.take(), shared.slot_ended(|_| unreachable!())), (None, None));
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

    fn shared() -> (Arc<Counts>, Arc<SharedBlock<Counted>>) {
        let counts = Arc::new(Counts::default());
        let shared = Arc::new(SharedBlock::new(Counted { counts: Arc::clone(&counts), leaked: false }));
        shared.store_was_created();
        (counts, shared)
    }

    fn end_store(shared: &SharedBlock<Counted>, is_over: bool) {
        match shared.store_ended(|| is_over) {
            Some(Remainder::Leak(mut block)) => block.leaked = true,
            Some(Remainder::Free(block)) => drop(block),
            None => {}
        }
    }

    fn counted(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::Relaxed)
    }

    #[test]
    fn slot_and_store_that_end_together_free_once() {
        loom::model(|| {
            let (counts, shared) = shared();
            let store = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || end_store(&shared, true))
            };
            drop(shared.slot_ended(|_| {
                counts.left.fetch_add(1, Ordering::Relaxed);
            }));
            store.join().unwrap();
            assert_eq!((counted(&counts.frees), counted(&counts.leaks)), (1, 0));
            assert!(shared.take().is_none());
        });
    }

    #[test]
    fn a_block_is_left_to_a_store_only_before_it_ends() {
        loom::model(|| {
            let (counts, shared) = shared();
            let store = {
                let (counts, shared) = (Arc::clone(&counts), Arc::clone(&shared));
                thread::spawn(move || {
                    let rest = shared.store_ended(|| true);
                    // If the block came here, `left_to_store` was called before.
                    assert_eq!(counted(&counts.left), usize::from(rest.is_some()));
                })
            };
            let last = shared.slot_ended(|_| {
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
                let (counts, shared) = shared();
                let store = {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || end_store(&shared, is_over))
                };
                let taken = shared.take();
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
            let (counts, shared) = shared();
            let ending = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.note_teardown(true);
                    end_store(&shared, false);
                })
            };
            drop(shared.slot_ended(|_| ()));
            ending.join().unwrap();
            assert_eq!((counted(&counts.frees), counted(&counts.leaks)), (1, 0), "it never moved");
        });
    }
}
