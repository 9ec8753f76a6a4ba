//! [`Growing`]: a block that becomes resident step by step.

use zeroize::Zeroizing;

use crate::block::{Attributes, Block, Init};
use crate::error::OutOfMemory;
use crate::fill::fill;
use crate::touch::touch;
use crate::{os, pool};

/// A block whose pages are made resident by and by, for whoever has something else to do meanwhile.
///
/// The memory is given back when it is dropped half-way. It may be sent to another thread after any step.
///
/// # Examples
///
/// ```
/// use cmalloc::Growing;
///
/// let mut growing = Growing::malloc(100 << 20)?;
/// while growing.resident() < growing.len() {
///     growing.step(16 << 20)?;
/// }
/// let block = growing.finish()?;
/// assert_eq!(block.len(), 100 << 20);
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct Growing {
    block: Block,
    init: Init,
    /// What the block is filled with; nothing if it is empty. It may be a secret, and is wiped.
    pattern: Zeroizing<Vec<u8>>,
    resident: usize,
}

impl Growing {
    /// Allocates `len` bytes with `malloc`. None of them is touched.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn malloc(len: usize) -> Result<Self, OutOfMemory> {
        Self::new(len, Init::Uninit, Zeroizing::default(), Attributes::PLAIN)
    }

    /// Allocates `len` bytes with `calloc`, all of them zero. None of them is touched, unless C clears them.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        Self::new(len, Init::Zero, Zeroizing::default(), Attributes::PLAIN)
    }

    /// Allocates `len` bytes with `malloc`, over which `pattern` is to be repeated; the last repetition is cut, and an
    /// empty one changes nothing. None of them is touched.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn filled(len: usize, pattern: &[u8]) -> Result<Self, OutOfMemory> {
        let (init, pattern) = Self::split(pattern, len);
        Self::new(len, init, pattern, Attributes::PLAIN)
    }

    /// What a block of `len` bytes is to be touched with, and what is to be repeated over it then.
    pub(crate) fn split(pattern: &[u8], len: usize) -> (Init, Zeroizing<Vec<u8>>) {
        match pattern {
            [0] => (Init::Zero, Zeroizing::default()),
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
        let block = pool::or_give_up(|| Block::obtain(len, init, attributes))?;
        Ok(Self { block, init, pattern, resident: 0 })
    }

    /// Makes about `len` more bytes resident, and gives them their contents.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the machine or its container has not that much left. The step may be tried again.
    pub fn step(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let to = self.end_of_step(len);
        // SAFETY: `to` is at most the block's length; nobody else knows of the block yet.
        pool::or_give_up(|| unsafe {
            touch(self.block.start(), self.resident, to, self.init.contents(self.block.attributes()))
        })?;
        if !self.pattern.is_empty() {
            let (pattern, from) = (&self.pattern, self.resident);
            // SAFETY: likewise; the phase is less than the pattern's length.
            unsafe {
                let start = self.block.as_ptr().add(from);
                fill(start, to - from, pattern.as_ptr(), pattern.len(), from % pattern.len());
            }
        }
        self.resident = to;
        Ok(())
    }

    /// Steps end where a huge page does, so that each of those is populated at once.
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

    /// Makes the rest resident, and returns the block.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`step`](Self::step); the memory is then given back.
    pub fn finish(mut self) -> Result<Block, OutOfMemory> {
        if self.resident < self.block.len() {
            self.step(usize::MAX)?;
        }
        // What was filled is not painted over in the debug mode.
        self.block.complete(if self.pattern.is_empty() { self.init } else { Init::Zero });
        Ok(self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_block_grows_by_steps_of_any_length() {
        let len = if cfg!(miri) { 10_000 } else { 5 << 20 };
        for step in [1 << 20, (3 << 20) + 17, usize::MAX, 4095] {
            for pattern in [b"A".as_slice(), b"ABCDEFG"] {
                let mut growing = Growing::filled(len, pattern).unwrap();
                let mut before = 0;
                while growing.resident() < growing.len() {
                    growing.step(step).unwrap();
                    assert!(growing.resident() > before && growing.resident() <= len);
                    before = growing.resident();
                }
                let block = growing.finish().unwrap();
                let expected: Vec<u8> = pattern.iter().copied().cycle().take(len).collect();
                // SAFETY: every byte was filled.
                assert!(unsafe { block.as_slice() } == expected);
                #[cfg(all(target_os = "linux", not(miri)))]
                assert_eq!(block.resident_bytes().unwrap(), len);
            }
        }
    }

    #[test]
    fn what_is_not_finished_is_taken_out_of_the_books() {
        // Other tests have blocks at the same time, but none that are so long.
        let len = 1 << 31;
        let live = || crate::budget().live;
        let growing = Growing::malloc(len).expect("nothing is touched");
        assert!(live() >= len);
        drop(growing);
        assert!(live() < len);
        assert_eq!(Growing::zeroed(100_000).unwrap().finish().unwrap().len(), 100_000);
        assert!(Growing::malloc(0).is_err());
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn nothing_is_resident_before_its_step() {
        let len = 100 << 20;
        let mut growing = Growing::malloc(len).unwrap();
        let resident = |growing: &Growing| growing.block.resident_bytes().unwrap();
        assert!(resident(&growing) < 1 << 20);
        growing.step(20 << 20).unwrap();
        let (said, is) = (growing.resident(), resident(&growing));
        assert!(said <= 20 << 20 && said > 17 << 20, "{said}");
        assert!(is >= said && is < said + (3 << 20), "{is} of {said} that are said to be resident");
        assert_eq!(growing.finish().unwrap().resident_bytes().unwrap(), len);
    }
}
