//! [`IncrementalBlock`]: a block that becomes resident step by step.

use zeroize::Zeroizing;

use crate::block::{Attributes, Block, BlockOptions, Init};
use crate::error::OutOfMemory;
use crate::fill::fill;
use crate::touch::touch;
use crate::{os, reclaim};

/// A block that becomes resident step by step, so that the program can do something else between the steps.
///
/// If it is dropped before it is finished, its memory is freed. It can be sent to another thread between steps.
///
/// # Examples
///
/// ```
/// use cmalloc::IncrementalBlock;
///
/// let mut block = IncrementalBlock::malloc(100 << 20)?;
/// while block.resident() < block.len() {
///     block.step(16 << 20)?;
/// }
/// let block = block.finish()?;
/// assert_eq!(block.len(), 100 << 20);
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct IncrementalBlock {
    block: Block,
    init: Init,
    /// What is repeated over the block after it is touched, unless empty. It may be a secret, so it is wiped.
    pattern: Zeroizing<Vec<u8>>,
    /// How many bytes are resident and have their contents.
    resident: usize,
}

impl BlockOptions {
    /// Allocates a block of `len` bytes, at least 1, that becomes resident step by step, also if it is lazy.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    pub fn incremental(&self, len: usize) -> Result<IncrementalBlock, OutOfMemory> {
        IncrementalBlock::new(len, self.init(), Zeroizing::default(), self.attributes().lazy(false))
    }
}

impl IncrementalBlock {
    /// Allocates `len` bytes with `malloc`. None of them is touched.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn malloc(len: usize) -> Result<Self, OutOfMemory> {
        Self::new(len, Init::Uninit, Zeroizing::default(), Attributes::PLAIN)
    }

    /// Allocates `len` zeroed bytes with `calloc`. None of them is touched, unless `calloc` itself clears them.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        Self::new(len, Init::ZERO, Zeroizing::default(), Attributes::PLAIN)
    }

    /// Allocates `len` bytes with `malloc`. None of them is touched. The steps repeat `pattern` over them; the last
    /// repetition is cut off at the end. An empty pattern changes nothing.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn filled(len: usize, pattern: &[u8]) -> Result<Self, OutOfMemory> {
        let (init, pattern) = Self::split(pattern, len);
        Self::new(len, init, pattern, Attributes::PLAIN)
    }

    /// Splits a pattern into what a block of `len` bytes is touched with, and what is then repeated over it.
    pub(crate) fn split(pattern: &[u8], len: usize) -> (Init, Zeroizing<Vec<u8>>) {
        match pattern {
            [byte] => (Init::Byte(*byte), Zeroizing::default()),
            _ => (Init::Uninit, Zeroizing::new(pattern[..pattern.len().min(len)].to_vec())),
        }
    }

    /// The block must not be lazy.
    pub(crate) fn new(
        len: usize,
        init: Init,
        pattern: Zeroizing<Vec<u8>>,
        attributes: Attributes,
    ) -> Result<Self, OutOfMemory> {
        debug_assert!(!attributes.is_lazy());
        let block = reclaim::retry(|| Block::obtain(len, init, attributes))?;
        Ok(Self { block, init, pattern, resident: 0 })
    }

    /// Makes about `len` more bytes resident and gives them their contents.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the machine or its container does not have that much left. The step can be tried again.
    pub fn step(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let to = self.end_of_step(len);
        // SAFETY: `to` is at most the block's length, and nobody else knows the block yet.
        reclaim::retry(|| unsafe {
            touch(self.block.start(), self.resident, to, self.block.attributes().contents(self.init))
        })?;
        if !self.pattern.is_empty() {
            let (pattern, from) = (&self.pattern, self.resident);
            // SAFETY: as above. The phase is less than the pattern's length.
            unsafe {
                let start = self.block.as_ptr().add(from);
                fill(start, to - from, pattern.as_ptr(), pattern.len(), from % pattern.len());
            }
        }
        self.resident = to;
        Ok(())
    }

    /// A step ends at the end of a huge page if it can, so that each huge page is made resident at once.
    fn end_of_step(&self, len: usize) -> usize {
        let to = self.resident.saturating_add(len.max(1)).min(self.block.len());
        let (start, page) = (self.block.as_ptr().addr(), os::huge_page_size().unwrap_or_else(os::page_size));
        let boundary = ((start + to) / page * page).saturating_sub(start);
        if to < self.block.len() && boundary > self.resident { boundary } else { to }
    }

    /// How many bytes are resident so far.
    #[must_use]
    pub fn resident(&self) -> usize {
        self.resident
    }

    /// How many bytes the block has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.block.len()
    }

    /// Makes the rest resident and returns the block.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`step`](Self::step). The memory is then freed.
    pub fn finish(mut self) -> Result<Block, OutOfMemory> {
        if self.resident < self.block.len() {
            self.step(usize::MAX)?;
        }
        // If a pattern was filled in, the debug mode must not paint over it.
        self.block.complete(if self.pattern.is_empty() { self.init } else { Init::ZERO });
        Ok(self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_can_have_any_length() {
        let len = if cfg!(miri) { 10_000 } else { 5 << 20 };
        for step in [1 << 20, (3 << 20) + 17, usize::MAX, 4095] {
            for pattern in [b"A".as_slice(), b"ABCDEFG"] {
                let mut block = IncrementalBlock::filled(len, pattern).unwrap();
                let mut before = 0;
                while block.resident() < block.len() {
                    block.step(step).unwrap();
                    assert!(block.resident() > before && block.resident() <= len);
                    before = block.resident();
                }
                let block = block.finish().unwrap();
                let expected: Vec<u8> = pattern.iter().copied().cycle().take(len).collect();
                // SAFETY: every byte was filled.
                assert!(unsafe { block.as_slice() } == expected);
                #[cfg(all(target_os = "linux", not(miri)))]
                assert_eq!(block.resident_bytes().unwrap(), len);
            }
        }
    }

    #[test]
    fn a_block_that_is_not_finished_does_not_stay_counted() {
        // Other tests have blocks at the same time, but none this long.
        let len = 1 << 31;
        let live = || crate::budget::budget().live;
        let block = IncrementalBlock::malloc(len).expect("nothing is touched");
        assert!(live() >= len);
        drop(block);
        assert!(live() < len);
        assert_eq!(IncrementalBlock::zeroed(100_000).unwrap().finish().unwrap().len(), 100_000);
        assert!(IncrementalBlock::malloc(0).is_err());
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn nothing_is_resident_before_its_step() {
        let len = 100 << 20;
        let mut block = IncrementalBlock::malloc(len).unwrap();
        let resident = |block: &IncrementalBlock| block.block.resident_bytes().unwrap();
        assert!(resident(&block) < 1 << 20);
        block.step(20 << 20).unwrap();
        let (said, is) = (block.resident(), resident(&block));
        assert!(said <= 20 << 20 && said > 17 << 20, "{said}");
        assert!(is >= said && is < said + (3 << 20), "{is} bytes are resident, and {said} are said to be");
        assert_eq!(block.finish().unwrap().resident_bytes().unwrap(), len);
    }
}
