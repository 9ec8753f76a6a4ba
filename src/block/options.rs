//! [`BlockOptions`]: how to make a block.

use super::alignment::Alignment;
use super::attributes::Attributes;
use super::init::Init;
use super::owner::Block;
use crate::error::OutOfMemory;

/// How to make a block. The options hold until the block is freed, also after a [`resize`](Block::resize).
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
    attributes: Attributes,
    init: Init,
}

impl BlockOptions {
    /// The options of [`Block::malloc`]: aligned as `malloc` aligns, resident at once, contents undefined.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_init(Init::Uninit)
    }

    pub(crate) const fn with_init(init: Init) -> Self {
        Self { attributes: Attributes::PLAIN, init }
    }

    /// Makes the block's address a multiple of `alignment`.
    ///
    /// If a resize does not fit in place, it copies the block, because C's `realloc` does not keep alignments.
    #[must_use]
    pub const fn align(mut self, alignment: Alignment) -> Self {
        self.attributes = self.attributes.aligned(alignment);
        self
    }

    /// Makes the block's pages resident on first use only. Until then the block takes addresses, but no memory. Only
    /// the set limit can refuse such a block, so its first use may meet the system's out-of-memory killer.
    ///
    /// A block that is filled with a byte other than 0, or secure, is resident at once nevertheless.
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

    /// Locks the block in memory, so that it is never swapped out, leaves it out of core dumps, and wipes it before it
    /// is freed. Only Linux and FreeBSD can do this; elsewhere the block is refused.
    ///
    /// [`Block::into_raw`] ends this. Wiping the block is then up to whoever gets it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmalloc::{BlockOptions, OutOfMemory};
    ///
    /// match BlockOptions::new().secure(true).zeroed().malloc(32) {
    ///     Ok(key) => assert_eq!(key.len(), 32),
    ///     // The process may not lock more, or this system has no secure blocks.
    ///     Err(refusal) => assert!(matches!(refusal, OutOfMemory::Lock { requested: 32, .. })),
    /// }
    /// ```
    #[must_use]
    pub const fn secure(mut self, secure: bool) -> Self {
        self.attributes = self.attributes.secure(secure);
        self
    }

    /// Fills the block with zeros.
    #[must_use]
    pub const fn zeroed(mut self) -> Self {
        self.init = Init::ZERO;
        self
    }

    /// Fills the block with this byte.
    #[must_use]
    pub const fn filled(mut self, byte: u8) -> Self {
        self.init = Init::Byte(byte);
        self
    }

    /// Allocates a block of `len` bytes, at least 1.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`], and [`OutOfMemory::Lock`] if a secure block cannot be locked.
    pub fn malloc(&self, len: usize) -> Result<Block, OutOfMemory> {
        Block::allocate(len, self.init, self.attributes())
    }

    /// What the block is to hold.
    pub(crate) const fn init(&self) -> Init {
        self.init
    }

    /// The attributes of the block. It is not lazy if something else makes it resident.
    pub(crate) const fn attributes(&self) -> Attributes {
        let is_resident = self.attributes.is_secure() || matches!(self.init, Init::Byte(1..));
        self.attributes.lazy(self.attributes.is_lazy() && !is_resident)
    }
}

impl Default for BlockOptions {
    fn default() -> Self {
        Self::new()
    }
}
