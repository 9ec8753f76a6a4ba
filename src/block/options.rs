//! [`BlockOptions`]: how a block is to be made, and to be kept.

use zeroize::Zeroizing;

use super::attributes::Attributes;
use super::{Alignment, Block, Init};
use crate::error::OutOfMemory;
use crate::growing::Growing;

/// How a block is to be made. What is set here holds for as long as the block lives, [`resize`](Block::resize) included.
///
/// # Examples
///
/// ```
/// use cmalloc::{Alignment, BlockOptions};
///
/// let sector = Alignment::new(4096).unwrap();
/// # #[cfg(unix)] {
/// let block = BlockOptions::new().align(sector).zeroed().malloc(100)?;
/// assert!(block.as_ptr().addr().is_multiple_of(4096));
/// # }
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BlockOptions {
    pub(super) attributes: Attributes,
    pub(super) init: Init,
}

impl BlockOptions {
    /// Those of [`Block::malloc`]: aligned as `malloc` aligns, resident at once, holding anything.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_init(Init::Uninit)
    }

    pub(crate) const fn with_init(init: Init) -> Self {
        Self { attributes: Attributes::PLAIN, init }
    }

    /// The block's address is to be a multiple of `alignment`.
    ///
    /// A resize that does not fit where the block is copies it, as C's `realloc` forgets alignments.
    #[must_use]
    pub const fn align(mut self, alignment: Alignment) -> Self {
        self.attributes = self.attributes.aligned(alignment);
        self
    }

    /// The block's pages are to come on first use: it takes addresses, but no memory yet. What the machine has left is
    /// not asked for then, only the set limit; so a first use may meet the system's out-of-memory killer.
    ///
    /// A block that is filled or secure is resident all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = cmalloc::BlockOptions::new().lazy(true).zeroed().malloc(16 << 20)?;
    /// # #[cfg(all(target_os = "linux", not(miri)))]
    /// assert!(block.resident_bytes().unwrap() < block.len());
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[must_use]
    pub const fn lazy(mut self, lazy: bool) -> Self {
        self.attributes = self.attributes.lazy(lazy);
        self
    }

    /// The block is to be locked in memory, so that it is never swapped; left out of core dumps; and wiped at its end.
    /// It has pages of its own. On Linux and FreeBSD; elsewhere it is refused.
    ///
    /// [`Block::into_raw`] ends that: the block is then one like any other, and wiping it is up to who got it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmalloc::{BlockOptions, OutOfMemory};
    ///
    /// match BlockOptions::new().secure(true).zeroed().malloc(32) {
    ///     Ok(key) => assert_eq!(key.len(), 32),
    ///     // The process may lock no more, or this system has no such blocks.
    ///     Err(refusal) => assert!(matches!(refusal, OutOfMemory::Lock { requested: 32, .. })),
    /// }
    /// ```
    #[must_use]
    pub const fn secure(mut self, secure: bool) -> Self {
        self.attributes = self.attributes.secure(secure);
        self
    }

    /// The block is to hold zeros.
    #[must_use]
    pub const fn zeroed(mut self) -> Self {
        self.init = Init::Zero;
        self
    }

    /// The block is to hold this byte everywhere.
    #[must_use]
    pub const fn filled(mut self, byte: u8) -> Self {
        self.init = if byte == 0 { Init::Zero } else { Init::Byte(byte) };
        self
    }

    /// Allocates a block of `len` bytes, at least 1. The options can be used again.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`], and [`OutOfMemory::Lock`] for a secure block that cannot be locked.
    pub fn malloc(&self, len: usize) -> Result<Block, OutOfMemory> {
        Block::allocate(len, self.init, self.attributes())
    }

    /// Allocates a block of `len` bytes, at least 1, that becomes resident step by step, be it lazy or not.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    pub fn growing(&self, len: usize) -> Result<Growing, OutOfMemory> {
        Growing::new(len, self.init, Zeroizing::default(), self.attributes().lazy(false))
    }

    /// Those that do not contradict each other, nor what the block is to hold.
    pub(crate) const fn attributes(&self) -> Attributes {
        let is_resident = self.attributes.is_secure() || matches!(self.init, Init::Byte(_));
        self.attributes.lazy(self.attributes.is_lazy() && !is_resident)
    }
}

impl Default for BlockOptions {
    fn default() -> Self {
        Self::new()
    }
}
