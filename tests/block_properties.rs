//! Random sequences of everything that can be done with blocks, against a model. After every step the contents, the
//! lengths and the budget must be exactly what the model says.
//!
//! There is only one test, because the budget counts the blocks of the whole process.

use std::ptr::NonNull;

use cmalloc::{Alignment, Block, BlockOptions, OutOfMemory, budget, set_memory_limit};
use proptest::collection::vec;
use proptest::prelude::*;

/// Something to do. A slot is taken modulo the number of blocks.
#[derive(Clone, Debug)]
enum Step {
    Malloc(usize),
    Zeroed(usize),
    /// Makes a special block, filled with this byte.
    Special(Special, usize, u8),
    Fill(usize, Vec<u8>),
    Write(usize, usize, u8),
    Resize(usize, usize),
    /// Consumes a block that C made: its length, the length to resize it to, and the byte that fills it.
    Consume(usize, usize, u8),
    /// Gives a block to C, which frees it.
    IntoRaw(usize),
    /// Gives a block away and takes it back with another length.
    ThereAndBack(usize, usize),
    Drop(usize),
    /// Limits what all blocks may hold to this many bytes more than now, or removes the limit.
    Limit(Option<usize>),
}

/// Whether a block is aligned, lazy or secure.
#[derive(Clone, Copy, Debug, Default)]
struct Special {
    /// The logarithm of its alignment.
    align: u32,
    lazy: bool,
    secure: bool,
}

/// A block, its attributes, and its bytes; `None` for a byte whose value is undefined.
struct Shadowed {
    block: Block,
    special: Special,
    bytes: Vec<Option<u8>>,
}

#[derive(Default)]
struct Model {
    blocks: Vec<Shadowed>,
    limit: Option<usize>,
}

impl Shadowed {
    fn check(&self) {
        assert_eq!(self.block.len(), self.bytes.len());
        assert!(self.block.as_ptr().addr().is_multiple_of(1 << self.special.align));
        // Miri aligns a short block to less than 8.
        assert!(cfg!(miri) || self.block.as_ptr().addr().is_multiple_of(8));
        for (index, byte) in self.bytes.iter().enumerate() {
            if let Some(byte) = byte {
                // SAFETY: the index is within the block, and the model says that the byte was written.
                assert_eq!(unsafe { self.block.as_ptr().add(index).read() }, *byte, "byte {index}");
            }
        }
    }

    fn resized(mut bytes: Vec<Option<u8>>, len: usize) -> Vec<Option<u8>> {
        bytes.resize(len, None);
        bytes
    }
}

impl Model {
    fn live(&self) -> usize {
        self.blocks.iter().map(|shadowed| shadowed.bytes.len()).sum()
    }

    /// Whether a request of this many more bytes must succeed.
    fn allows(&self, more: usize) -> bool {
        self.limit.is_none_or(|limit| self.live() + more <= limit)
    }

    fn slot(&self, slot: usize) -> Option<usize> {
        slot.checked_rem(self.blocks.len())
    }

    fn admit(&mut self, outcome: Result<Block, OutOfMemory>, bytes: Vec<Option<u8>>) {
        self.admit_special(outcome, Special::default(), bytes);
    }

    fn admit_special(&mut self, outcome: Result<Block, OutOfMemory>, special: Special, bytes: Vec<Option<u8>>) {
        match outcome {
            Ok(block) => {
                assert!(self.allows(bytes.len()), "it should have been refused");
                self.blocks.push(Shadowed { block, special, bytes });
            }
            // The system cannot lock memory, or the process may not lock more.
            Err(OutOfMemory::Lock { .. }) if special.secure => {}
            Err(refusal) => self.must_be_over(refusal, bytes.len()),
        }
    }

    fn must_be_over(&self, refusal: OutOfMemory, more: usize) {
        let expected =
            OutOfMemory::Limit { requested: more, live: self.live(), limit: self.limit.unwrap_or(usize::MAX) };
        assert_eq!(refusal, expected);
        assert!(!self.allows(more), "refused, though it fits");
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Malloc(len) => self.admit(Block::malloc(*len), vec![None; *len]),
            Step::Zeroed(len) => self.admit(Block::zeroed(*len), vec![Some(0); *len]),
            Step::Special(special, len, byte) => {
                let Special { align, lazy, secure } = *special;
                let align = Alignment::new(1 << align).expect("one of those that there are");
                let options = BlockOptions::new().align(align).lazy(lazy).secure(secure).filled(*byte);
                self.admit_special(options.malloc(*len), *special, vec![Some(*byte); *len]);
            }
            Step::Consume(held, len, byte) => {
                // SAFETY: `malloc` has no precondition, and gives at least `held` bytes.
                let start = unsafe { NonNull::new(libc::malloc(*held)).expect("there is memory").cast::<u8>() };
                // SAFETY: the block has `held` bytes.
                unsafe { start.write_bytes(*byte, *held) };
                self.consume(start, *len, Shadowed::resized(vec![Some(*byte); *held], *len));
            }
            Step::Limit(more) => {
                self.limit = more.map(|more| self.live() + more);
                set_memory_limit(self.limit);
            }
            Step::Fill(slot, ..)
            | Step::Write(slot, ..)
            | Step::Resize(slot, _)
            | Step::IntoRaw(slot)
            | Step::ThereAndBack(slot, _)
            | Step::Drop(slot) => {
                if let Some(slot) = self.slot(*slot) {
                    self.step_of_block(slot, step);
                }
            }
        }
    }

    fn step_of_block(&mut self, slot: usize, step: &Step) {
        match step {
            Step::Fill(_, pattern) => {
                let Shadowed { block, bytes, .. } = &mut self.blocks[slot];
                block.fill(pattern);
                bytes.iter_mut().zip(pattern.iter().cycle()).for_each(|(byte, filled)| *byte = Some(*filled));
            }
            Step::Write(_, offset, value) => {
                let Shadowed { block, bytes, .. } = &mut self.blocks[slot];
                let offset = offset % bytes.len();
                // SAFETY: the offset is within the block, and nobody else writes to it.
                unsafe { block.as_ptr().add(offset).write(*value) };
                bytes[offset] = Some(*value);
            }
            Step::Resize(_, len) => {
                let old = self.blocks[slot].bytes.len();
                let Special { align, lazy, secure } = self.blocks[slot].special;
                match self.blocks[slot].block.resize(*len) {
                    Ok(()) => {
                        assert!(*len <= old || self.allows(len - old), "it should have been refused");
                        self.blocks[slot].bytes.resize(*len, None);
                    }
                    Err(OutOfMemory::Lock { .. }) if secure => {}
                    // A copy needs room for both.
                    Err(OutOfMemory::Limit { requested, .. }) if (align > 3 || lazy || secure) && requested == *len => {
                        assert!(!self.allows(*len));
                    }
                    Err(refusal) => self.must_be_over(refusal, len - old),
                }
            }
            Step::IntoRaw(_) => {
                let block = self.blocks.swap_remove(slot).block;
                // SAFETY: the block came from C's `malloc`, and nobody else owns it now.
                unsafe { libc::free(block.into_raw().as_ptr().cast()) };
            }
            Step::ThereAndBack(_, len) => {
                let Shadowed { block, bytes, .. } = self.blocks.swap_remove(slot);
                self.consume(block.into_raw(), *len, Shadowed::resized(bytes, *len));
            }
            Step::Drop(_) => drop(self.blocks.swap_remove(slot)),
            _ => unreachable!("{step:?} is about no block"),
        }
    }

    /// Takes over a block that nobody owns. A refused one is freed.
    fn consume(&mut self, start: NonNull<u8>, len: usize, bytes: Vec<Option<u8>>) {
        // SAFETY: a block of the C allocator, which only the caller knew.
        let outcome = unsafe { Block::consume(start, len) };
        if outcome.is_err() {
            // SAFETY: the refused block is still ours.
            unsafe { libc::free(start.as_ptr().cast()) };
        }
        self.admit(
            outcome.map(|consumed| {
                assert!(!consumed.resize_failed);
                consumed.block
            }),
            bytes,
        );
    }

    fn check(&self) {
        self.blocks.iter().for_each(Shadowed::check);
        let now = budget();
        assert_eq!((now.live, now.limit), (self.live(), self.limit));
        assert!(now.peak >= now.live);
        let mut ranges: Vec<_> =
            self.blocks.iter().map(|Shadowed { block, .. }| (block.as_ptr().addr(), block.len())).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "two blocks overlap");
    }
}

fn length() -> impl Strategy<Value = usize> {
    let large = if cfg!(miri) { 1..10 } else { 100_000..300_000usize };
    prop_oneof![6 => 1..100usize, 3 => 4000..9000usize, 1 => large]
}

fn special() -> impl Strategy<Value = Special> {
    let largest = Alignment::MAX.ilog2();
    (0..=largest, any::<bool>(), any::<bool>()).prop_map(|(align, lazy, secure)| Special { align, lazy, secure })
}

fn step() -> impl Strategy<Value = Step> {
    let slot = any::<usize>;
    prop_oneof![
        3 => length().prop_map(Step::Malloc),
        2 => length().prop_map(Step::Zeroed),
        3 => (special(), length(), prop_oneof![Just(0), any::<u8>()])
            .prop_map(|(special, len, byte)| Step::Special(special, len, byte)),
        3 => (slot(), vec(any::<u8>(), 1..40)).prop_map(|(slot, pattern)| Step::Fill(slot, pattern)),
        2 => (slot(), any::<usize>(), any::<u8>()).prop_map(|(slot, offset, byte)| Step::Write(slot, offset, byte)),
        4 => (slot(), length()).prop_map(|(slot, len)| Step::Resize(slot, len)),
        2 => (length(), length(), any::<u8>()).prop_map(|(held, len, byte)| Step::Consume(held, len, byte)),
        1 => slot().prop_map(Step::IntoRaw),
        1 => (slot(), length()).prop_map(|(slot, len)| Step::ThereAndBack(slot, len)),
        2 => slot().prop_map(Step::Drop),
        1 => proptest::option::of(0..20_000usize).prop_map(Step::Limit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 200 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_sequence_of_steps_does_what_the_model_says(steps in vec(step(), 1..if cfg!(miri) { 15 } else { 60 })) {
        set_memory_limit(None);
        let mut model = Model::default();
        for step in &steps {
            model.step(step);
            model.check();
        }
        drop(model);
        assert_eq!(budget().live, 0);
    }
}
