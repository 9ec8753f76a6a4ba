//! The entries behind the slots of one environment, as far as every thread may read them.
//!
//! Only the environment's own thread changes a table, through its [`slots`](super::slots). Other threads may look where its
//! blocks are ([`SlotTable::owns`]), which is why the entries are atomic and never move.

use std::ptr;

use super::counters::Counters;
use crate::sync::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};

/// The generation of an entry that has no key any more.
pub(super) const LAST_GENERATION: u32 = (1 << (53 - INDEX_BITS)) - 1;
/// A key is `generation * 2^26 + index`, an integer that a double holds exactly.
pub(super) const INDEX_BITS: u32 = 26;

/// The first segment's entries; each further segment has twice as many as the one before.
pub(super) const FIRST_SEGMENT: u32 = if cfg!(loom) { 1 } else { 1024 };
const SEGMENTS: usize = 16;
pub(super) const MAX_ENTRIES: u32 = FIRST_SEGMENT * ((1 << SEGMENTS) - 1);

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
pub(super) struct Entry {
    pub(super) generation: AtomicU32,
    pub(super) state: AtomicU8,
    /// Whose raw calls may name the entry. For the owning thread only.
    pub(super) owner: AtomicU32,
    /// What is special about the block. For the owning thread only.
    pub(super) attributes: AtomicU8,
    /// Where the block is, in both `Live` and `Viewed`; 0 if there is none.
    pub(super) address: AtomicUsize,
    pub(super) len: AtomicUsize,
}

/// The part of an environment's slots that every thread may read.
#[derive(Default)]
pub(crate) struct SlotTable {
    segments: [AtomicPtr<Entry>; SEGMENTS],
    entries: AtomicU32,
    pub(crate) counters: Counters,
}

impl SlotTable {
    /// Whether `address` lies in a block of this table. From another thread the answer is of some moment during the call.
    pub(crate) fn owns(&self, address: usize) -> Owned {
        (0..self.entries.load(Ordering::Acquire))
            .map(|index| self.entry(index).contains(address))
            .find(|owned| *owned != Owned::No)
            .unwrap_or(Owned::No)
    }

    /// Where the blocks of this table are, for its own thread.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|index| self.entry(index).address.load(Ordering::Relaxed)).filter(|address| *address != 0)
    }

    /// How many entries there are, for its own thread.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.entries.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn entry(&self, index: u32) -> &Entry {
        let (segment, offset) = locate(index);
        let start = self.segments[segment].load(Ordering::Acquire);
        assert!(!start.is_null(), "entry {index} was never made");
        // SAFETY: a segment that is there has `FIRST_SEGMENT << segment` entries, of which `offset` is one (`locate`), and
        // lives as long as the table.
        unsafe { &*start.add(offset) }
    }

    /// Adds an entry, in the table's own thread. `None` if there are too many.
    pub(super) fn add_entry(&self, first_generation: u32) -> Option<u32> {
        let index = self.len();
        if index == MAX_ENTRIES {
            return None;
        }
        let (segment, _) = locate(index);
        if self.segments[segment].load(Ordering::Relaxed).is_null() {
            let entries: Box<[Entry]> = (0..segment_len(segment))
                .map(|_| Entry { generation: AtomicU32::new(first_generation), ..Entry::default() })
                .collect();
            self.segments[segment].store(Box::into_raw(entries).cast(), Ordering::Release);
        }
        self.entries.store(index + 1, Ordering::Release);
        Some(index)
    }
}

impl Entry {
    /// Reads address, length and state as of one moment: if the generation moved meanwhile, again.
    ///
    /// `realloc` may give the old address to another thread before this entry is updated. So that the other thread is not
    /// told that the address is still owned, the entry says that it is changing before `realloc` is called, and has a new
    /// generation afterwards.
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

    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    #[inline]
    pub(super) fn state(&self) -> State {
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
    /// In this order: a reader that sees the new generation sees no old address any more, and one that sees anything newer
    /// sees the new generation. So nobody mixes an old address with a new length.
    pub(super) fn move_on(&self) {
        let generation = self.generation.load(Ordering::Relaxed);
        self.address.store(0, Ordering::Release);
        // From `LAST_GENERATION` on there are no keys, but readers must still see that something changed.
        let next = generation.checked_add(1).unwrap_or(LAST_GENERATION);
        self.generation.store(next, Ordering::Release);
    }
}

impl Drop for SlotTable {
    fn drop(&mut self) {
        for (segment, start) in self.segments.iter().enumerate() {
            let start = start.load(Ordering::Relaxed);
            if !start.is_null() {
                let entries = ptr::slice_from_raw_parts_mut(start, segment_len(segment));
                // SAFETY: `add_entry` made the segment from a boxed slice of this length, and nobody looks at a table any
                // more that is dropped.
                drop(unsafe { Box::from_raw(entries) });
            }
        }
    }
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
}
