//! [`Block::resize`]: other lengths, at the same place or at another.

use std::mem;
use std::ptr::NonNull;

use super::{Attributes, Block, lazy, secure};
use crate::error::OutOfMemory;
use crate::touch::{Contents, touch};
use crate::{budget, debug, os, placement, pool};

impl Block {
    /// Resizes the block with `realloc`, which may move it. The contents are kept up to the smaller
    /// length, new bytes are made resident and hold anything.
    ///
    /// A lazy block stays lazy. A secure block, and an aligned or a lazy one that does not fit where it is, is copied into
    /// another, which takes memory for both meanwhile; of a lazy one only what is not zero is copied.
    ///
    /// # Parameters
    ///
    /// - `len`: bytes, at least 1.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`malloc`](Self::malloc); length and contents are then as before.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut block = cmalloc::Block::zeroed(10)?;
    /// block.resize(20)?;
    /// // SAFETY: only the bytes that were initialised are looked at.
    /// assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, [0; 10]);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub fn resize(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len == 0 || len > isize::MAX as usize {
            return Err(OutOfMemory::Allocator { requested: len });
        }
        if !debug::is_enabled() {
            return pool::or_give_up(|| self.reallocate(len));
        }
        // Taken out first: another thread may be given the old address as soon as it is free.
        let record = debug::suspend(self.start, "by resize()");
        let result = pool::or_give_up(|| self.reallocate(len));
        // SAFETY: the block is ours; after a success `reallocate` made room for a redzone.
        unsafe { debug::resume(record, self.start, self.len, result.is_ok()) };
        result
    }

    /// Resizes the block, and makes room for a redzone behind it in the debug mode.
    fn reallocate(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let old = self.len;
        // Some C libraries move a block all the same. In the debug mode there may be no redzone yet.
        if len == old && !debug::is_enabled() {
            return Ok(());
        }
        if !self.attributes.is_plain() {
            return self.relocate(len);
        }
        if len > old {
            budget::check(len - old)?;
        }
        let room = len.saturating_add(debug::redzone());
        // SAFETY: the block owns `start`, and `&mut self` says that nobody holds on to the old address.
        let Some(start) = (unsafe { placement::realloc(self.start, room) }) else {
            return Err(OutOfMemory::Allocator { requested: len });
        };
        self.start = start;
        if len < old {
            self.len = len;
            budget::refund(old - len);
            return Ok(());
        }
        self.grown_in_place(old, len).inspect_err(|_| self.shrink_back(old))
    }

    /// Resizes a block for which C's `realloc` will not do, as that forgets alignments, leaves secrets behind, and may
    /// touch what it copies: where it is, or else by a copy. A secure block is always copied, so that nothing is left of
    /// it that is not wiped.
    fn relocate(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let old = self.len;
        // SAFETY: the block is a live one.
        if len > old && unsafe { fits(self.start, len, self.attributes) } {
            return self.grown_in_place(old, len).inspect_err(|_| self.cut(old));
        }
        if len < old && self.can_shrink_in_place() {
            // SAFETY: the bytes from `len` on are the block's, which is to lose them.
            let gone = unsafe { lazy::discard(self.start.add(len), old - len) };
            if gone || len >= old / 2 {
                self.cut(len);
                return Ok(());
            }
        }
        let mut copy = Self::allocate_at_once(len, self.attributes.init_of_copy(), self.attributes)?;
        // SAFETY: the new block is another one, made as the old one, which has `old` bytes.
        unsafe { copy.take_contents(self.start, old) };
        mem::swap(self, &mut copy);
        Ok(())
    }

    /// Copies the contents of another block of `len` bytes, as far as there is room: of a lazy one what is not zero.
    ///
    /// # Safety
    ///
    /// `from` must have `len` bytes, of another block than this one, which was just made as
    /// [`init_of_copy`](Attributes::init_of_copy) says. Nobody else may access it.
    pub(crate) unsafe fn take_contents(&mut self, from: NonNull<u8>, len: usize) {
        let kept = len.min(self.len);
        // SAFETY: both blocks have `kept` bytes, and are two; this one holds zeros if it is lazy.
        unsafe {
            if self.attributes.is_lazy() {
                lazy::copy_to_zeros(from, self.start, kept);
            } else {
                self.start.copy_from_nonoverlapping(from, kept);
            }
        }
    }

    fn can_shrink_in_place(&self) -> bool {
        !self.attributes.is_secure() && !debug::is_enabled()
    }

    /// Whether a resize of a block from `old` to `len` bytes would be refused now, as far as the machine and the set limit
    /// are concerned.
    ///
    /// # Safety
    ///
    /// `start` must be a live block of these attributes.
    #[cfg(feature = "napi")]
    pub(crate) unsafe fn check_resize(
        start: NonNull<u8>,
        old: usize,
        len: usize,
        attributes: Attributes,
    ) -> Result<(), OutOfMemory> {
        // SAFETY: passed on from the caller.
        let is_copied = len != old && !attributes.is_plain() && !unsafe { fits(start, len, attributes) };
        let more = if is_copied { len } else { len.saturating_sub(old) };
        if attributes.is_lazy() { budget::check_limit(more) } else { budget::check(more) }
    }

    /// Resizes the block like [`resize`](Self::resize), but keeps it as it is, cut to `len`, where the
    /// allocator or the system cannot resize it. Returns whether that was so.
    ///
    /// `len` must be at least 1.
    #[cfg(feature = "napi")]
    pub(crate) fn resize_or_keep(&mut self, len: usize) -> bool {
        let failed = self.resize(len).is_err();
        if self.len > len {
            self.cut(len);
            if debug::is_enabled() {
                debug::shorten(self.start, len);
            }
        }
        failed
    }

    /// Shortens the block to `len` bytes, without a word to C: the others stay where they are, and resident.
    ///
    /// `len` must be at least 1, and at most what the block has.
    pub(crate) fn cut(&mut self, len: usize) {
        debug_assert!(len > 0 && len <= self.len);
        if self.attributes.is_secure() {
            // SAFETY: the bytes from `len` on are the block's, which loses them here.
            unsafe {
                secure::wipe(self.start.add(len), self.len - len);
                secure::expose(self.start, len, self.len);
            }
        }
        self.attributes.refund(self.len - len);
        self.len = len;
    }

    /// Lengthens the block to `len` bytes where it is, if C says that it holds as many. They are resident then. Returns
    /// whether that is so.
    ///
    /// `len` must be at least what the block has. Not for the debug mode, in which its redzone is behind it.
    pub(crate) fn grow_in_place(&mut self, len: usize) -> bool {
        debug_assert!(len >= self.len);
        // SAFETY: the block is a live one.
        let fits = len == self.len || unsafe { fits(self.start, len, self.attributes) };
        fits && self.grown_in_place(self.len, len).is_ok()
    }

    /// Enters the bytes from `old` to `len` into the books and makes them resident. The allocator
    /// gave them already. On an error `self.len` is still `old`, or what was charged.
    pub(super) fn grown_in_place(&mut self, old: usize, len: usize) -> Result<(), OutOfMemory> {
        if len == old {
            return Ok(());
        }
        self.attributes.charge(len - old)?;
        self.len = len;
        if self.attributes.is_lazy() {
            return Ok(());
        }
        // SAFETY: the allocator gave the block `len` bytes; those from `old` on were never handed out.
        unsafe { touch(self.start, old, len, Contents::Fresh)? };
        if debug::is_enabled() {
            // SAFETY: likewise.
            unsafe { debug::paint(self.start.as_ptr().add(old), len - old) }
        }
        Ok(())
    }

    /// Takes back what [`grown_in_place`](Self::grown_in_place) could not make resident.
    pub(super) fn shrink_back(&mut self, len: usize) {
        // SAFETY: the block owns `start` and is only held by us.
        if let Some(start) = unsafe { placement::realloc(self.start, len.saturating_add(debug::redzone())) } {
            self.start = start;
        }
        // Should the allocator have refused to shrink, then the block holds more than it says.
        self.attributes.refund(self.len - len);
        self.len = len;
    }
}

/// Whether C says that a block holds `len` bytes where it is, of which all may be the block's.
///
/// # Safety
///
/// `start` must be a live block of these attributes.
unsafe fn fits(start: NonNull<u8>, len: usize, attributes: Attributes) -> bool {
    // SAFETY: passed on from the caller.
    let held = || unsafe { os::usable_size(start) };
    !attributes.is_secure() && !debug::is_enabled() && held().is_some_and(|held| held >= len)
}
