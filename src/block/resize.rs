//! [`Block::resize`] and other changes of a block's length.

use std::mem;
use std::ptr::NonNull;

use super::attributes::Attributes;
use super::owner::Block;
use super::{lazy, secure};
use crate::error::OutOfMemory;
use crate::length::BlockLen;
use crate::touch::{Contents, touch};
use crate::{budget, debug, os, placement, reclaim};

impl Block {
    /// Resizes the block with `realloc`, which may move it. The contents are kept up to the smaller length. New bytes
    /// are made resident; their contents are undefined.
    ///
    /// A lazy block stays lazy. A secure block is copied into another block. So is an aligned or a lazy block that does
    /// not fit where it is; of a lazy one only what is not zero is copied. During the copy there is memory for both.
    ///
    /// # Parameters
    ///
    /// - `len`: bytes, at least 1.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`malloc`](Self::malloc). The length and the contents are then as before.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut block = cmalloc::Block::zeroed(10)?;
    /// block.resize(20)?;
    /// // SAFETY: the first ten bytes are initialised.
    /// assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, [0; 10]);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub fn resize(&mut self, len: usize) -> Result<(), OutOfMemory> {
        BlockLen::new(len)?;
        if !debug::is_enabled() {
            return reclaim::retry(|| self.reallocate(len));
        }
        // First of all, because `realloc` may give the old address to another thread.
        let record = debug::suspend(self.start, "by resize()");
        let result = reclaim::retry(|| self.reallocate(len));
        // SAFETY: the block is ours. After a success it has room for a redzone, which `reallocate` asked for.
        unsafe { debug::resume(record, self.start, self.len, result.is_ok()) };
        result
    }

    /// Resizes the block. In the debug mode it also makes room for a redzone after it. `len` must be at least 1.
    fn reallocate(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let old = self.len;
        // Some C libraries move a block even to the same length. In the debug mode the block may need a redzone.
        if len == old && !debug::is_enabled() {
            return Ok(());
        }
        if !self.attributes.is_plain() {
            return self.relocate(len);
        }
        if len > old {
            budget::check(len - old)?;
        }
        let room = BlockLen::new(len)?.plus(debug::redzone_len())?;
        // SAFETY: the block owns `start`, and `&mut self` ensures that nobody else uses the old address.
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

    /// Resizes an aligned, lazy or secure block: where it is, or else by a copy. C's `realloc` would lose the
    /// alignment, touch lazy pages, or free memory that holds secrets.
    fn relocate(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let old = self.len;
        // SAFETY: the block is alive.
        if len > old && unsafe { fits(self.start, len, self.attributes) } {
            return self.grown_in_place(old, len).inspect_err(|_| self.cut(old));
        }
        if len < old && self.can_shrink_in_place() {
            // SAFETY: the block owns the bytes from `len` on, and gives them up here.
            let gone = unsafe { lazy::discard(self.start.add(len), old - len) };
            if gone || len >= old / 2 {
                self.cut(len);
                return Ok(());
            }
        }
        let mut copy = Self::allocate_at_once(len, self.attributes.init_of_copy(), self.attributes)?;
        // SAFETY: the old block has `old` bytes. The copy is another block, just made as `init_of_copy` says.
        unsafe { copy.take_contents(self.start, old) };
        mem::swap(self, &mut copy);
        Ok(())
    }

    /// Copies the contents of another block of `len` bytes, as far as they fit: of a lazy one only what is not zero.
    ///
    /// # Safety
    ///
    /// `from` must be the start of a different block, which has `len` bytes and which nobody else accesses. This block
    /// must just have been made as [`init_of_copy`](Attributes::init_of_copy) says.
    pub(crate) unsafe fn take_contents(&mut self, from: NonNull<u8>, len: usize) {
        let kept = len.min(self.len);
        // SAFETY: these are two blocks, and both have `kept` bytes. If this one is lazy, it holds zeros.
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

    /// Fails if the machine or the set limit would refuse to resize a block from `old` to `len` bytes now.
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

    /// Resizes the block like [`resize`](Self::resize). If that fails, the block stays where it is, and is cut to `len`
    /// if it is longer. Returns whether it failed.
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

    /// Shortens the block to `len` bytes without telling C. The other bytes stay allocated and resident.
    ///
    /// `len` must be at least 1, and at most the block's length.
    pub(crate) fn cut(&mut self, len: usize) {
        debug_assert!(len > 0 && len <= self.len);
        if self.attributes.is_secure() {
            // SAFETY: the block owns the bytes from `len` on, and gives them up here.
            unsafe { secure::shorten(self.start, len, self.len) };
        }
        self.attributes.refund(self.len - len);
        self.len = len;
    }

    /// Lengthens the block to `len` bytes where it is, if it holds that many according to C, and makes them resident.
    /// Returns whether that succeeded: never in the debug mode, in which the redzone follows the block.
    ///
    /// `len` must be at least the block's length.
    pub(crate) fn grow_in_place(&mut self, len: usize) -> bool {
        debug_assert!(len >= self.len);
        // SAFETY: the block is alive.
        let fits = len == self.len || unsafe { fits(self.start, len, self.attributes) };
        fits && self.grown_in_place(self.len, len).is_ok()
    }

    /// Counts the bytes from `old` to `len` as live, and makes them resident. The allocator must have given them
    /// already. On an error `self.len` is the length that counts as live: `old` or `len`.
    pub(super) fn grown_in_place(&mut self, old: usize, len: usize) -> Result<(), OutOfMemory> {
        if len == old {
            return Ok(());
        }
        self.attributes.charge(len - old)?;
        self.len = len;
        if self.attributes.is_lazy() {
            return Ok(());
        }
        // SAFETY: the allocator gave the block `len` bytes. Nobody knows those from `old` on yet.
        unsafe { touch(self.start, old, len, Contents::Fresh)? };
        if debug::is_enabled() {
            // SAFETY: as above.
            unsafe { debug::paint(self.start.as_ptr().add(old), len - old) }
        }
        Ok(())
    }

    /// Shrinks the block to `len` bytes, at least 1, after [`grown_in_place`](Self::grown_in_place) failed.
    pub(super) fn shrink_back(&mut self, len: usize) {
        let room = BlockLen::new(len).and_then(|len| len.plus(debug::redzone_len()));
        // SAFETY: the block owns `start`, and `&mut self` ensures that nobody else uses the old address.
        if let Some(start) = room.ok().and_then(|room| unsafe { placement::realloc(self.start, room) }) {
            self.start = start;
        }
        // If the allocator refused to shrink it, the block holds more than its length.
        self.attributes.refund(self.len - len);
        self.len = len;
    }
}

/// Whether a block can have `len` bytes where it is, because it holds that many according to C.
///
/// # Safety
///
/// `start` must be a live block of these attributes.
unsafe fn fits(start: NonNull<u8>, len: usize, attributes: Attributes) -> bool {
    // SAFETY: passed on from the caller.
    let held = || unsafe { os::usable_size(start) };
    !attributes.is_secure() && !debug::is_enabled() && held().is_some_and(|held| held >= len)
}
