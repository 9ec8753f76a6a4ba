//! The entries behind the slots of one environment.
//!
//! An entry is named by a **key**: its index, and a generation that moves on whenever the entry's
//! block goes. So a key that was kept too long names nothing, and the number of a slot can be given
//! to JavaScript without giving it power over memory.
//!
//! Only the environment's own thread changes a table. Other threads may look where its blocks are
//! ([`Table::owns`]), which is why the entries are atomic and never move.

use std::cell::RefCell;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::Block;
use crate::block::Attributes;
use crate::sync::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// A key is `generation * 2^26 + index`, an integer that a double holds exactly.
const INDEX_BITS: u32 = 26;
const GENERATION_BITS: u32 = 53 - INDEX_BITS;
/// An entry of this generation, or of a later one, has no key any more: see [`Place::key`].
const LAST_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// How far an entry's next key is from its last one.
pub(crate) const KEY_STEP: f64 = (1u64 << INDEX_BITS) as f64;

/// Every key is below this.
pub(crate) const END_OF_KEYS: f64 = LAST_GENERATION as f64 * KEY_STEP;

/// The first segment's entries; each further segment has twice as many as the one before.
const FIRST_SEGMENT: u32 = if cfg!(loom) { 1 } else { 1024 };
const SEGMENTS: usize = 16;
const MAX_ENTRIES: u32 = FIRST_SEGMENT * ((1 << SEGMENTS) - 1);

const _: () = assert!(MAX_ENTRIES < 1 << INDEX_BITS);

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// No slot has it.
    Vacant = 0,
    /// A slot has it, and it has no block.
    Idle = 1,
    /// It owns a block.
    Live = 2,
    /// A control block holds its block: there is an `ArrayBuffer` over it.
    Viewed = 3,
    /// Its block is being resized: at some moment of this C gives the old address away.
    Changing = 4,
}

/// Whether an address is inside a block of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    No,
    Yes,
    /// That is being decided: the answer is known in a moment.
    Unsettled,
}

#[derive(Default)]
struct Entry {
    generation: AtomicU32,
    state: AtomicU8,
    /// Whether the block goes back to a pool at its end. For the owning thread only.
    homed: AtomicU8,
    /// What is special about the block. For the owning thread only.
    attributes: AtomicU8,
    /// Where the block is, in both `Live` and `Viewed`; 0 if there is none.
    address: AtomicUsize,
    len: AtomicUsize,
}

/// What happened in an environment. Written by its own thread only.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) allocations: AtomicU64,
    pub(crate) explicit_frees: AtomicU64,
    pub(crate) collected_frees: AtomicU64,
    pub(crate) handed_over: AtomicU64,
    pub(crate) taken_over: AtomicU64,
    pub(crate) live_bytes: AtomicU64,
}

/// The part of a table that every thread may read.
#[derive(Default)]
pub(crate) struct Table {
    segments: [AtomicPtr<Entry>; SEGMENTS],
    entries: AtomicU32,
    pub(crate) counters: Counters,
}

/// The owning thread's hold on its table: what can change it.
pub(crate) struct Owner {
    table: Arc<Table>,
    first_generation: u32,
    vacant: RefCell<Vec<u32>>,
}

/// An entry that a slot of the owning thread has.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    owner: &'a Owner,
    entry: &'a Entry,
    index: u32,
}

impl Table {
    /// Whether `address` lies in a block of this table. From another thread the answer is of some
    /// moment during the call.
    pub(crate) fn owns(&self, address: usize) -> Owned {
        (0..self.entries.load(Ordering::Acquire))
            .map(|index| self.entry(index).contains(address))
            .find(|owned| *owned != Owned::No)
            .unwrap_or(Owned::No)
    }

    /// Where the blocks of this table are, for its own thread.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = usize> {
        let entries = 0..self.entries.load(Ordering::Relaxed);
        entries.map(|index| self.entry(index).address.load(Ordering::Relaxed)).filter(|address| *address != 0)
    }

    #[inline]
    fn entry(&self, index: u32) -> &Entry {
        let (segment, offset) = locate(index);
        let start = self.segments[segment].load(Ordering::Acquire);
        assert!(!start.is_null(), "entry {index} was never made");
        // SAFETY: a segment that is there has `FIRST_SEGMENT << segment` entries, of which `offset`
        // is one (`locate`), and lives as long as the table.
        unsafe { &*start.add(offset) }
    }
}

impl Entry {
    /// Reads address, length and state as of one moment: if the generation moved meanwhile, again.
    ///
    /// Whoever got an address from C that a resize had given away sees that the block was changing, as that was
    /// noted before; or the new generation, if the change is over.
    fn contains(&self, address: usize) -> Owned {
        loop {
            let generation = self.generation.load(Ordering::Acquire);
            let start = self.address.load(Ordering::Acquire);
            let len = self.len.load(Ordering::Acquire);
            let changing = self.state.load(Ordering::Acquire) == State::Changing as u8;
            fence(Ordering::Acquire);
            if self.generation.load(Ordering::Relaxed) == generation {
                let inside = start != 0 && address >= start && address - start < len;
                return match (inside, changing) {
                    (false, _) => Owned::No,
                    (true, false) => Owned::Yes,
                    (true, true) => Owned::Unsettled,
                };
            }
        }
    }

    fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Vacant,
            1 => State::Idle,
            2 => State::Live,
            3 => State::Viewed,
            _ => State::Changing,
        }
    }

    /// Forgets where the block is, and makes every key of this entry stale.
    ///
    /// In this order: a reader that sees the new generation sees no old address any more, and one that
    /// sees anything newer sees the new generation. So nobody mixes an old address with a new length.
    fn move_on(&self) {
        let generation = self.generation.load(Ordering::Relaxed);
        self.address.store(0, Ordering::Release);
        // Those from the last one on are no keys, but readers still need a change.
        let next = generation.checked_add(1).unwrap_or(LAST_GENERATION);
        self.generation.store(next, Ordering::Release);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for (segment, start) in self.segments.iter().enumerate() {
            let start = start.load(Ordering::Relaxed);
            if !start.is_null() {
                let entries = ptr::slice_from_raw_parts_mut(start, segment_len(segment));
                // SAFETY: `Owner::add_entry` made the segment from a boxed slice of this length,
                // and nobody looks at a table any more that is dropped.
                drop(unsafe { Box::from_raw(entries) });
            }
        }
    }
}

impl Owner {
    /// An empty table. `first_generation` sets the keys of different tables apart, so that one
    /// environment's numbers are unlikely to mean anything in another.
    pub(crate) fn new(first_generation: u32) -> Self {
        Self {
            table: Arc::default(),
            first_generation: first_generation % (LAST_GENERATION / 2),
            vacant: RefCell::default(),
        }
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.table.counters
    }

    /// The numbers of all entries, also of those that no slot has.
    pub(crate) fn indices(&self) -> std::ops::Range<u32> {
        0..self.table.entries.load(Ordering::Relaxed)
    }

    /// Takes an entry for a new slot; `None` if there are too many slots.
    pub(crate) fn occupy(&self) -> Option<u32> {
        let reused = self.vacant.borrow_mut().pop();
        let index = reused.map_or_else(|| self.add_entry(), Some)?;
        self.table.entry(index).set_state(State::Idle);
        Some(index)
    }

    /// The place of an entry that [`occupy`](Self::occupy) gave.
    #[inline]
    pub(crate) fn place(&self, index: u32) -> Place<'_> {
        Place { owner: self, entry: self.table.entry(index), index }
    }

    /// The place that `key` names, if a slot has it.
    #[inline]
    pub(crate) fn find(&self, key: f64) -> Option<Place<'_>> {
        let key = exact_integer(key)?;
        let index = u32::try_from(key & ((1 << INDEX_BITS) - 1)).ok()?;
        if index >= self.table.entries.load(Ordering::Relaxed) {
            return None;
        }
        let place = self.place(index);
        let generation = place.generation();
        let named = u64::from(generation) == key >> INDEX_BITS && generation < LAST_GENERATION;
        (named && place.state() != State::Vacant).then_some(place)
    }

    fn add_entry(&self) -> Option<u32> {
        let index = self.table.entries.load(Ordering::Relaxed);
        if index == MAX_ENTRIES {
            return None;
        }
        let (segment, _) = locate(index);
        if self.table.segments[segment].load(Ordering::Relaxed).is_null() {
            let entries: Box<[Entry]> = (0..segment_len(segment))
                .map(|_| Entry { generation: AtomicU32::new(self.first_generation), ..Entry::default() })
                .collect();
            self.table.segments[segment].store(Box::into_raw(entries).cast(), Ordering::Release);
        }
        self.table.entries.store(index + 1, Ordering::Release);
        Some(index)
    }
}

impl Place<'_> {
    /// Gives the entry back as its slot dies. Its block must be gone.
    pub(crate) fn vacate(self) {
        debug_assert_eq!((self.state(), self.is_homed()), (State::Idle, false));
        self.entry.move_on();
        self.entry.set_state(State::Vacant);
        // A last generation has no keys left to give: such an entry is not used again.
        if self.generation() < LAST_GENERATION {
            self.owner.vacant.borrow_mut().push(self.index);
        }
    }

    /// The entry's number among its owner's.
    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// The entry's key, or -1 if it has none because its generations are used up (after 2^27 frees).
    /// Its slot still works, but not by number.
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

    /// Whether the block goes back to a pool at its end.
    #[inline]
    pub(crate) fn is_homed(self) -> bool {
        self.entry.homed.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn set_homed(self, homed: bool) {
        self.entry.homed.store(homed.into(), Ordering::Relaxed);
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

    /// Puts a block into an idle entry.
    ///
    /// # Panics
    ///
    /// If the entry is not idle.
    #[inline]
    pub(crate) fn put(self, block: Block) {
        assert!(self.state() == State::Idle, "an entry owns one block");
        debug_assert!(!self.is_homed());
        let (start, len, attributes) = block.into_parts();
        self.entry.attributes.store(attributes.to_bits(), Ordering::Relaxed);
        self.entry.len.store(len, Ordering::Release);
        self.entry.address.store(start.as_ptr().expose_provenance(), Ordering::Release);
        self.entry.set_state(State::Live);
        add(&self.owner.counters().live_bytes, len as u64);
    }

    /// Takes the block of a live entry out; the entry is then idle, and its old key is stale.
    #[inline]
    pub(crate) fn take(self) -> Option<Block> {
        if self.state() != State::Live {
            return None;
        }
        let (start, len) = self.parts()?;
        self.clear(len);
        // SAFETY: `put` took the block apart. The entry was live, so that it was the block's only
        // holder, and it has just forgotten it.
        Some(unsafe { Block::from_parts(start, len, self.attributes()) })
    }

    /// Changes the block of a live entry in place; the entry's old key is stale then.
    ///
    /// To other threads it is unsettled meanwhile whether the entry owns the old address.
    pub(crate) fn change<R>(self, change: impl FnOnce(&mut Block) -> R) -> Option<R> {
        if self.state() != State::Live {
            return None;
        }
        let (start, len) = self.parts()?;
        // Before C gives the old address away, from where another thread may be given it.
        self.entry.set_state(State::Changing);
        // SAFETY: as in `take`; the entry does not forget its address, but makes no block of it until the
        // block was taken apart again below.
        let mut block = unsafe { Block::from_parts(start, len, self.attributes()) };
        let result = change(&mut block);
        let (start, new_len, _) = block.into_parts();
        self.entry.move_on();
        self.entry.len.store(new_len, Ordering::Release);
        self.entry.address.store(start.as_ptr().expose_provenance(), Ordering::Release);
        self.entry.set_state(State::Live);
        subtract(&self.owner.counters().live_bytes, len as u64);
        add(&self.owner.counters().live_bytes, new_len as u64);
        Some(result)
    }

    /// Lends the block of a live entry to a control block, which owns it from now on; the entry
    /// remembers where it is.
    pub(crate) fn lend(self) -> Option<Block> {
        if self.state() != State::Live {
            return None;
        }
        let (start, len) = self.parts()?;
        self.entry.set_state(State::Viewed);
        // SAFETY: as in `take`; a viewed entry never makes a block of what it remembers.
        Some(unsafe { Block::from_parts(start, len, self.attributes()) })
    }

    /// Forgets a viewed block: its control block has dealt with it, or will.
    pub(crate) fn forget(self) {
        debug_assert_eq!(self.state(), State::Viewed);
        if let Some((_, len)) = self.parts() {
            self.clear(len);
        }
    }

    /// Takes a lent block back.
    pub(crate) fn reclaim(self, block: Block) {
        let (start, len, attributes) = block.into_parts();
        debug_assert_eq!(self.state(), State::Viewed);
        debug_assert_eq!((self.parts(), self.attributes()), (Some((start, len)), attributes));
        self.entry.set_state(State::Live);
    }

    #[inline]
    fn clear(self, len: usize) {
        self.entry.move_on();
        self.entry.set_state(State::Idle);
        subtract(&self.owner.counters().live_bytes, len as u64);
    }

    /// Moves on whenever the entry's block goes or changes.
    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.entry.generation.load(Ordering::Relaxed)
    }
}

/// The integer that a double from 0 to 2^53 - 1 is, if it is one.
///
/// By its bits: the conversions there and back take longer than all the rest of a raw call's checks.
#[inline]
pub(crate) fn exact_integer(value: f64) -> Option<u64> {
    const FRACTION_BITS: u64 = 52;
    const BIAS: u64 = 1023;
    let bits = value.to_bits();
    // With the sign in it, so that a negative number is too large.
    let exponent = bits >> FRACTION_BITS;
    let (smallest, largest) = (BIAS, BIAS + FRACTION_BITS);
    if !(smallest..=largest).contains(&exponent) {
        return (value == 0.0).then_some(0);
    }
    let significand = (bits & ((1 << FRACTION_BITS) - 1)) | (1 << FRACTION_BITS);
    let shift = largest - exponent;
    let integer = significand >> shift;
    (integer << shift == significand).then_some(integer)
}

/// Adds to a counter that only this thread writes: cheaper than an atomic addition.
#[inline]
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

/// Subtracts from a counter that only this thread writes.
#[inline]
pub(crate) fn subtract(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_sub(amount), Ordering::Relaxed);
}

/// The segment that entry `index` is in, and its place there.
#[inline]
fn locate(index: u32) -> (usize, usize) {
    let rank = index / FIRST_SEGMENT + 1;
    let segment = rank.ilog2();
    (segment as usize, (index - FIRST_SEGMENT * ((1 << segment) - 1)) as usize)
}

fn segment_len(segment: usize) -> usize {
    (FIRST_SEGMENT as usize) << segment
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn block(len: usize) -> Block {
        Block::zeroed(len).unwrap()
    }

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..10 * FIRST_SEGMENT {
            assert_eq!(locate(index), expected);
            expected.1 += 1;
            if expected.1 == segment_len(expected.0) {
                expected = (expected.0 + 1, 0);
            }
        }
        let (segment, offset) = locate(MAX_ENTRIES - 1);
        assert_eq!((segment, offset), (SEGMENTS - 1, segment_len(SEGMENTS - 1) - 1));
    }

    #[test]
    fn a_key_names_its_entry_until_the_block_goes() {
        let table = Owner::new(5);
        let place = table.place(table.occupy().unwrap());
        let key = place.key();
        assert_eq!(table.find(key).map(Place::index), Some(place.index));
        place.put(block(8));
        assert_eq!(table.find(key).map(Place::index), Some(place.index));
        drop(place.take());
        assert_eq!(table.find(key).map(Place::index), None, "stale");
        assert_eq!(table.find(place.key()).map(Place::index), Some(place.index));
    }

    #[test]
    fn forged_keys_name_nothing() {
        let table = Owner::new(0);
        let place = table.place(table.occupy().unwrap());
        let key = place.key();
        for forged in [-1.0, f64::NAN, f64::INFINITY, key + 0.5, key + 1.0, key + KEY_STEP, 1e300] {
            assert_eq!(table.find(forged).map(Place::index), None, "{forged}");
        }
        place.vacate();
        assert_eq!(table.find(place.key()).map(Place::index), None, "the right number of an entry without a slot");
    }

    #[test]
    fn only_exact_integers_are_integers() {
        for integer in [0, 1, 2, 3, 255, 1 << 26, (1 << 31) + 7, (1 << 52) - 1, 1 << 52, (1 << 53) - 1] {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53 there is none")]
            let value = integer as f64;
            assert_eq!(exact_integer(value), Some(integer));
            if integer < 1 << 51 {
                assert_eq!(exact_integer(value + 0.5), None, "{integer}.5");
            }
        }
        assert_eq!(exact_integer(-0.0), Some(0));
        for value in
            [-1.0, 0.5, 1e-300, f64::MIN_POSITIVE, (1u64 << 53) as f64, 1e300, f64::INFINITY, f64::NAN, -f64::NAN]
        {
            assert_eq!(exact_integer(value), None, "{value}");
        }
    }

    #[test]
    fn an_entry_whose_generations_are_used_up_is_retired() {
        let table = Owner::new(0);
        let place = table.place(table.occupy().unwrap());
        place.entry.generation.store(LAST_GENERATION - 1, Ordering::Relaxed);
        assert_eq!(table.find(place.key()).map(Place::index), Some(place.index));
        place.put(block(8));
        drop(place.take());
        assert_eq!(place.key(), -1.0);
        let last = f64::from(LAST_GENERATION) * KEY_STEP + f64::from(place.index);
        assert_eq!(table.find(last).map(Place::index), None);
        place.put(block(8));
        assert_eq!(place.take().unwrap().len(), 8, "its slot still works");
        place.vacate();
        assert_ne!(table.occupy(), Some(place.index));
    }

    #[test]
    fn other_threads_see_where_the_blocks_are() {
        let owner = Owner::new(0);
        let place = owner.place(owner.occupy().unwrap());
        place.put(block(100));
        let start = place.parts().unwrap().0.as_ptr().addr();
        let table = Arc::clone(owner.table());
        let owns = move |address| std::thread::spawn(move || table.owns(address)).join().unwrap();
        assert_eq!([owns.clone()(start), owns.clone()(start + 99)], [Owned::Yes; 2]);
        assert_eq!([owns.clone()(start + 100), owns.clone()(start - 1)], [Owned::No; 2]);
        let (while_resized, behind) = place.change(|_| (owns.clone()(start), owns.clone()(start + 100))).unwrap();
        assert_eq!((while_resized, behind), (Owned::Unsettled, Owned::No));
        assert_eq!(owns.clone()(start), Owned::Yes);
        drop(place.take());
        assert_eq!(owns(start), Owned::No);
    }

    #[test]
    fn a_change_makes_the_key_stale() {
        let table = Owner::new(0);
        let place = table.place(table.occupy().unwrap());
        assert!(place.change(|_| ()).is_none(), "there is no block");
        place.put(block(8));
        let key = place.key();
        place.change(|block| block.resize(100_000)).unwrap().unwrap();
        assert_eq!(table.find(key).map(Place::index), None);
        assert_eq!(place.parts().unwrap().1, 100_000);
        assert_eq!(table.counters().live_bytes.load(Ordering::Relaxed), 100_000);
        drop(place.take());
    }

    #[test]
    fn a_lent_block_cannot_be_taken() {
        let table = Owner::new(0);
        let place = table.place(table.occupy().unwrap());
        place.put(block(8));
        let lent = place.lend().unwrap();
        assert!(place.take().is_none() && place.lend().is_none());
        assert_eq!(place.parts().unwrap().1, 8);
        place.reclaim(lent);
        assert_eq!(place.take().unwrap().len(), 8);
    }

    #[test]
    fn live_bytes_are_counted() {
        let table = Owner::new(0);
        let place = table.place(table.occupy().unwrap());
        let live = || table.counters().live_bytes.load(Ordering::Relaxed);
        place.put(block(8));
        assert_eq!(live(), 8);
        drop(place.take());
        assert_eq!(live(), 0);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::thread;

    use super::*;

    /// Blocks that a reader must never see mixed: one's start with the other's length.
    fn short_and_long() -> [Block; 2] {
        let mut blocks = [Block::malloc(8).unwrap(), Block::malloc(8).unwrap()];
        blocks.sort_by_key(|block| block.as_ptr().addr());
        let [short, mut long] = blocks;
        long.resize(1000).unwrap();
        [short, long]
    }

    /// Asks, while `owner` changes the table, whether an address is owned that no block ever has: it is behind
    /// the short block.
    fn nobody_sees_a_mixture(change: fn(Place<'_>, Block)) {
        loom::model(move || {
            let owner = Owner::new(0);
            let place = owner.place(owner.occupy().unwrap());
            let [short, long] = short_and_long();
            let behind = short.as_ptr().addr() + 8;
            let owned_by_long = (long.as_ptr().addr()..long.as_ptr().addr() + long.len()).contains(&behind);
            place.put(short);
            let table = Arc::clone(owner.table());
            let reader = thread::spawn(move || table.owns(behind));
            change(place, long);
            assert!(owned_by_long || reader.join().unwrap() == Owned::No, "an old address was seen with a new length");
            drop(place.take());
        });
    }

    #[test]
    fn a_block_that_is_replaced_is_never_seen_with_the_other_ones_length() {
        nobody_sees_a_mixture(|place, long| {
            drop(place.take());
            place.put(long);
        });
    }

    #[test]
    fn a_block_that_is_resized_is_never_seen_with_its_new_length_at_its_old_place() {
        nobody_sees_a_mixture(|place, long| {
            place.change(|block| *block = long);
        });
    }

    #[test]
    fn a_block_that_stays_is_always_owned_while_another_comes_and_goes() {
        loom::model(|| {
            let owner = Owner::new(0);
            let [stays, comes] = [0; 2].map(|_| owner.place(owner.occupy().unwrap()));
            let [short, long] = short_and_long();
            let inside = short.as_ptr().addr() + 7;
            stays.put(short);
            let table = Arc::clone(owner.table());
            let reader = thread::spawn(move || table.owns(inside));
            comes.put(long);
            drop(comes.take());
            assert_eq!(reader.join().unwrap(), Owned::Yes);
            drop(stays.take());
        });
    }

    /// As another thread is given what a resize gave back to C.
    #[test]
    fn what_a_resize_gave_away_is_not_said_to_be_owned() {
        use loom::sync::Arc;
        use loom::sync::atomic::AtomicBool;
        loom::model(|| {
            let owner = Owner::new(0);
            let place = owner.place(owner.occupy().unwrap());
            let [short, long] = short_and_long();
            let address = short.as_ptr().addr();
            let given_away = Arc::new(AtomicBool::new(false));
            place.put(short);
            let table = std::sync::Arc::clone(owner.table());
            let reader = {
                let given_away = Arc::clone(&given_away);
                thread::spawn(move || !given_away.load(Ordering::Acquire) || table.owns(address) != Owned::Yes)
            };
            place.change(|block| {
                *block = long;
                given_away.store(true, Ordering::Release);
            });
            assert!(reader.join().unwrap());
            drop(place.take());
        });
    }

    #[test]
    fn an_entry_that_is_new_is_whole() {
        loom::model(|| {
            let owner = Owner::new(7);
            let table = Arc::clone(owner.table());
            let reader = thread::spawn(move || table.owns(8));
            let places = [0; 3].map(|_| owner.occupy().unwrap());
            assert_eq!(reader.join().unwrap(), Owned::No);
            assert_eq!(places, [0, 1, 2]);
        });
    }
}
