//! An environment's slots: for its own thread, which alone can change them.
//!
//! An entry is named by a **key**: its index, and a generation that moves on whenever the entry's block goes. So a key that
//! was kept too long names nothing, and the number of a slot can be given to JavaScript without giving it power over memory.

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::control_block::ControlBlock;
use super::counters::Counters;
use super::pooled_block::{BlockShare, PooledBlock};
use super::slot_table::{Entry, INDEX_BITS, LAST_GENERATION, SlotTable, State};
use crate::block::Attributes;
use crate::napi::node_api::arguments::exact_integer;
use crate::napi::node_api::weak::Weak;
use crate::sync::Ordering;
use crate::{Block, Pool};

/// How far an entry's next key is from its last one.
pub(crate) const KEY_STEP: f64 = (1u64 << INDEX_BITS) as f64;

/// Every key is below this.
pub(crate) const END_OF_KEYS: f64 = LAST_GENERATION as f64 * KEY_STEP;

/// The owning thread's hold on its table: what can change it.
pub(crate) struct Slots {
    table: Arc<SlotTable>,
    first_generation: u32,
    vacant: RefCell<Vec<u32>>,
    /// By index, one for each entry. Never borrowed while anything else is called.
    records: RefCell<Vec<Record>>,
    watched: Cell<u64>,
}

/// What the owning thread alone knows of a slot.
#[derive(Default)]
struct Record {
    /// Whether the slot's object is alive.
    weak: Option<Weak>,
    /// The pool that the block goes back to at its end.
    origin: Option<Arc<Pool>>,
    /// What holds the block while there is an `ArrayBuffer` over it.
    view: Option<Arc<ControlBlock>>,
    /// Who has the block's bytes besides, once a `SharedArrayBuffer` was asked for.
    share: Option<Arc<BlockShare>>,
}

/// An entry that a slot of the owning thread has.
#[derive(Clone, Copy)]
pub(crate) struct SlotRef<'a> {
    slots: &'a Slots,
    entry: &'a Entry,
    index: u32,
}

impl Slots {
    /// No slots. `first_generation` sets the keys of different tables apart, so that one environment's numbers are unlikely
    /// to mean anything in another.
    pub(crate) fn new(first_generation: u32) -> Self {
        Self {
            table: Arc::default(),
            first_generation: first_generation % (LAST_GENERATION / 2),
            vacant: RefCell::default(),
            records: RefCell::default(),
            watched: Cell::new(0),
        }
    }

    pub(crate) fn table(&self) -> &Arc<SlotTable> {
        &self.table
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.table.counters
    }

    /// All entries, also those that no slot has.
    pub(crate) fn all(&self) -> impl Iterator<Item = SlotRef<'_>> {
        (0..self.table.len()).map(|index| self.get(index))
    }

    /// How many slots have a weak reference.
    pub(crate) fn watched(&self) -> u64 {
        self.watched.get()
    }

    /// Takes an entry for a new slot; `None` if there are too many slots. Only the raw calls of this owner can name it.
    pub(crate) fn occupy(&self, owner: u32) -> Option<u32> {
        let reused = self.vacant.borrow_mut().pop();
        let index = reused.map_or_else(|| self.add_entry(), Some)?;
        let entry = self.table.entry(index);
        entry.owner.store(owner, Ordering::Relaxed);
        entry.set_state(State::Idle);
        Some(index)
    }

    fn add_entry(&self) -> Option<u32> {
        let index = self.table.add_entry(self.first_generation)?;
        self.records.borrow_mut().push(Record::default());
        Some(index)
    }

    /// The entry that [`occupy`](Self::occupy) gave.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> SlotRef<'_> {
        SlotRef { slots: self, entry: self.table.entry(index), index }
    }

    /// The entry that `key` names, if a slot of this owner has it.
    #[inline]
    pub(crate) fn find(&self, key: f64, owner: u32) -> Option<SlotRef<'_>> {
        let key = exact_integer(key)?;
        let index = u32::try_from(key & ((1 << INDEX_BITS) - 1)).ok()?;
        if index >= self.table.len() {
            return None;
        }
        let slot = self.get(index);
        let generation = slot.generation();
        let named = u64::from(generation) == key >> INDEX_BITS && generation < LAST_GENERATION;
        let is_owners = slot.entry.owner.load(Ordering::Relaxed) == owner;
        (named && is_owners && slot.state() != State::Vacant).then_some(slot)
    }
}

impl<'a> SlotRef<'a> {
    /// Gives the entry back as its slot dies. Its block must be gone.
    pub(crate) fn vacate(self) {
        debug_assert!(self.state() == State::Idle && self.origin().is_none() && self.view().is_none());
        debug_assert!(self.share().is_none());
        self.entry.move_on();
        self.entry.set_state(State::Vacant);
        // A last generation has no keys left to give: such an entry is not used again.
        if self.generation() < LAST_GENERATION {
            self.slots.vacant.borrow_mut().push(self.index);
        }
    }

    /// The entry's number among its environment's.
    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// The entry's key, or -1 if it has none because its generations are used up (after 2^27 frees). Its slot still works,
    /// but not by number.
    ///
    /// Whenever a block goes, the next key is `KEY_STEP` more.
    #[inline]
    pub(crate) fn key(self) -> f64 {
        match self.generation() {
            LAST_GENERATION.. => -1.0,
            generation => f64::from(generation) * KEY_STEP + f64::from(self.index),
        }
    }

    #[inline]
    pub(crate) fn state(self) -> State {
        self.entry.state()
    }

    /// Moves on whenever the entry's block goes or changes.
    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.entry.generation.load(Ordering::Relaxed)
    }

    /// The block's address and length, if there is one.
    #[inline]
    pub(crate) fn parts(self) -> Option<(NonNull<u8>, usize)> {
        let address = self.entry.address.load(Ordering::Relaxed);
        let start = NonNull::new(ptr::with_exposed_provenance_mut(address))?;
        Some((start, self.entry.len.load(Ordering::Relaxed)))
    }

    /// What is special about the block, if there is one.
    #[inline]
    pub(crate) fn attributes(self) -> Attributes {
        Attributes::from_bits(self.entry.attributes.load(Ordering::Relaxed))
    }

    /// The pool that the block goes back to at its end.
    pub(crate) fn origin(self) -> Option<Arc<Pool>> {
        self.record(|record| record.origin.clone())
    }

    /// Takes the block out of its pool: it is freed at its end.
    #[inline]
    pub(crate) fn take_origin(self) -> Option<Arc<Pool>> {
        self.record(|record| record.origin.take())
    }

    /// Who has the block's bytes beside the slot.
    pub(crate) fn share(self) -> Option<Arc<BlockShare>> {
        self.record(|record| record.share.clone())
    }

    /// Whether a `SharedArrayBuffer` over the block was made, so that other threads may have its bytes for ever.
    pub(crate) fn is_shared(self) -> bool {
        self.record(|record| record.share.is_some())
    }

    /// Notes who shares the block. Returns whether there is one.
    pub(crate) fn set_share(self, share: Arc<BlockShare>) -> bool {
        let is_there = match self.state() {
            State::Live => true,
            State::Viewed => self.view().is_some_and(|view| view.set_share(Arc::clone(&share))),
            State::Vacant | State::Idle | State::Changing => false,
        };
        if is_there {
            self.record(|record| record.share = Some(share));
        }
        is_there
    }

    /// What holds the block while there is an `ArrayBuffer` over it.
    pub(crate) fn view(self) -> Option<Arc<ControlBlock>> {
        self.record(|record| record.view.clone())
    }

    pub(crate) fn take_view(self) -> Option<Arc<ControlBlock>> {
        self.record(|record| record.view.take())
    }

    pub(crate) fn set_view(self, view: Arc<ControlBlock>) {
        self.record(|record| record.view = Some(view));
    }

    /// Whether this control block holds the entry's block.
    pub(crate) fn is_lent_to(self, view: &Arc<ControlBlock>) -> bool {
        self.record(|record| record.view.as_ref().is_some_and(|lent| Arc::ptr_eq(lent, view)))
    }

    /// The reference that tells whether the slot's object is alive.
    pub(crate) fn weak(self) -> Option<Weak> {
        self.record(|record| record.weak)
    }

    pub(crate) fn set_weak(self, weak: Weak) {
        self.record(|record| record.weak = Some(weak));
        self.slots.watched.set(self.slots.watched.get() + 1);
    }

    pub(crate) fn take_weak(self) -> Option<Weak> {
        let weak = self.record(|record| record.weak.take())?;
        self.slots.watched.set(self.slots.watched.get() - 1);
        Some(weak)
    }

    /// Puts a block into an idle entry.
    ///
    /// # Panics
    ///
    /// If the entry is not idle.
    #[inline]
    pub(crate) fn put(self, block: PooledBlock) {
        assert!(self.state() == State::Idle, "an entry owns one block");
        let (block, origin) = block.into_parts();
        if origin.is_some() {
            self.record(|record| record.origin = origin);
        }
        let (start, len, attributes) = block.into_parts();
        self.entry.attributes.store(attributes.to_bits(), Ordering::Relaxed);
        self.entry.len.store(len, Ordering::Release);
        self.entry.address.store(start.as_ptr().expose_provenance(), Ordering::Release);
        self.entry.set_state(State::Live);
        self.slots.counters().live_bytes.add(len as u64);
    }

    /// Takes the block of a live entry out; the entry is then idle, and its old key is stale.
    #[inline]
    pub(crate) fn take(self) -> Option<PooledBlock> {
        if self.state() != State::Live {
            return None;
        }
        let (start, len) = self.parts()?;
        let (origin, share) = self.clear(len);
        // SAFETY: `put`, `change` or `reclaim` took the block apart. The entry was live, so that it was the block's only holder, and it has just
        // forgotten it.
        let block = unsafe { Block::from_parts(start, len, self.attributes()) };
        Some(PooledBlock::new(block, origin).shared_by(share))
    }

    /// Changes the block of a live entry in place; the entry's old key is stale then.
    ///
    /// To other threads it is unsettled meanwhile whether the entry owns the old address. A block that is shared must stay as it
    /// is.
    pub(crate) fn change<R>(self, change: impl FnOnce(&mut Block) -> R) -> Option<R> {
        debug_assert!(!self.is_shared());
        if self.state() != State::Live {
            return None;
        }
        let (start, len) = self.parts()?;
        // This comes first: `change` may free the old address, and C may give it to another thread.
        self.entry.set_state(State::Changing);
        // SAFETY: as in `take`; the entry does not forget its address, but makes no block of it until the block was taken
        // apart again below.
        let mut block = ManuallyDrop::new(unsafe { Block::from_parts(start, len, self.attributes()) });
        // Should it panic, the block leaks: the entry still says where it is.
        let result = change(&mut block);
        let (start, new_len, _) = ManuallyDrop::into_inner(block).into_parts();
        self.entry.move_on();
        self.entry.len.store(new_len, Ordering::Release);
        self.entry.address.store(start.as_ptr().expose_provenance(), Ordering::Release);
        self.entry.set_state(State::Live);
        self.slots.counters().live_bytes.subtract(len as u64);
        self.slots.counters().live_bytes.add(new_len as u64);
        Some(result)
    }

    /// Lends the block of a live entry to a control block, which owns it from now on; the entry remembers where it is, and
    /// which pool it came from.
    pub(crate) fn lend(self) -> Option<PooledBlock> {
        if self.state() != State::Live {
            return None;
        }
        let (start, len) = self.parts()?;
        self.entry.set_state(State::Viewed);
        // SAFETY: as in `take`; a viewed entry never makes a block of what it remembers.
        let block = unsafe { Block::from_parts(start, len, self.attributes()) };
        Some(PooledBlock::new(block, self.origin()).shared_by(self.share()))
    }

    /// Takes a lent block back.
    pub(crate) fn reclaim(self, block: PooledBlock) {
        // Its pool and its share are still known here.
        let (start, len, attributes) = block.into_parts().0.into_parts();
        debug_assert_eq!(self.state(), State::Viewed);
        debug_assert_eq!((self.parts(), self.attributes()), (Some((start, len)), attributes));
        drop(self.take_view());
        self.entry.set_state(State::Live);
    }

    /// Forgets a viewed block: its control block has dealt with it, or will. Returns that.
    pub(crate) fn forget(self) -> Option<Arc<ControlBlock>> {
        if self.state() == State::Viewed
            && let Some((_, len)) = self.parts()
        {
            drop(self.clear(len));
        }
        self.take_view()
    }

    /// Leaves a viewed block to its backing store, as `leave` tells the control block to. That returns the block if the store
    /// has ended already.
    pub(crate) fn leave_to_store(self, leave: impl FnOnce(&ControlBlock) -> Option<PooledBlock>) {
        // First, so that at every moment somebody is known to own the address.
        let last = self.view().and_then(|view| leave(&view));
        drop(self.forget());
        // Nobody may be known to own it any more once C has it back.
        drop(last);
    }

    /// Forgets the block. Returns its pool, and who shares it.
    #[inline]
    fn clear(self, len: usize) -> (Option<Arc<Pool>>, Option<Arc<BlockShare>>) {
        self.entry.move_on();
        self.entry.set_state(State::Idle);
        self.slots.counters().live_bytes.subtract(len as u64);
        self.record(|record| (record.origin.take(), record.share.take()))
    }

    #[inline]
    fn record<R>(self, look: impl FnOnce(&mut Record) -> R) -> R {
        look(&mut self.slots.records.borrow_mut()[self.index as usize])
    }
}
