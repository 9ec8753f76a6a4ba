//! [`Block::consume`]: takes over a block that C code made.

use std::ptr::NonNull;

use super::attributes::Attributes;
use super::owner::Block;
use crate::error::OutOfMemory;
use crate::length::BlockLen;
use crate::touch::{Contents, touch};
use crate::{budget, debug, os, placement, reclaim};

/// What [`Block::consume`] returns.
#[derive(Debug)]
pub struct Consumed {
    /// The block, which is now owned.
    pub block: Block,
    /// Whether the resize failed. The block then has its old length, or the requested one if that is shorter.
    pub resize_failed: bool,
}

impl Block {
    /// Takes over a block that C's `malloc` made, and resizes it to `len` bytes. It keeps its contents. All of it is
    /// made resident; the contents of new bytes are undefined.
    ///
    /// If the allocator or the system cannot give that much more, the block is taken over as it is: see
    /// [`Consumed::resize_failed`].
    ///
    /// # Parameters
    ///
    /// - `start`: the block's address.
    /// - `len`: bytes, at least 1.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`malloc`](Self::malloc). The caller then still owns the block.
    ///
    /// # Safety
    ///
    /// `start` must come from `malloc`, `calloc`, `realloc` or `posix_memalign` of this process's C library (on
    /// Windows: of the C runtime that this crate is linked to). It must not be freed yet, and the caller must own it.
    /// After `Ok` the memory may be used only through the block.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ptr::NonNull;
    ///
    /// // SAFETY: `malloc` has no precondition.
    /// let foreign = NonNull::new(unsafe { libc::malloc(3) }).unwrap().cast();
    /// // SAFETY: `foreign` came from `malloc`, and nobody else uses it.
    /// let consumed = unsafe { cmalloc::Block::consume(foreign, 1000)? };
    /// assert_eq!(consumed.block.len(), 1000);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub unsafe fn consume(start: NonNull<u8>, len: usize) -> Result<Consumed, OutOfMemory> {
        let redzone = debug::redzone_len();
        let room = BlockLen::new(len)?.plus(redzone)?;
        // SAFETY: the caller promises that `start` is a live block of the C allocator.
        unsafe { Self::check_consume(start, len)? };
        // SAFETY: as above.
        let held = unsafe { os::usable_size(start) };
        let kept = held.map_or(len, |held| held.min(len));
        reclaim::retry(|| budget::charge_resident(kept))?;
        // If the system does not tell what the block holds, it may have fewer than `kept` bytes at first. Then either
        // `realloc` makes room for them, or the block is handed back: nobody uses them before.
        let mut block = Self { start, len: kept, attributes: Attributes::PLAIN };
        // SAFETY: the caller gives the block to us, and its old address is not used after a success. A refused one is
        // unchanged.
        let resize = || unsafe { placement::realloc(start, room) }.ok_or(OutOfMemory::Allocator { requested: len });
        let resized = reclaim::retry(resize);
        if let Ok(moved) = resized {
            block.start = moved;
        } else if held.is_none() {
            let _ = block.into_raw();
            return Err(OutOfMemory::Allocator { requested: len });
        } else {
            // The block is ours already, so it is no reason to fail if memory runs out while it is touched.
            // SAFETY: the block has the first `kept` bytes. C code may still be writing to them, which `Kept` allows.
            let _ = unsafe { touch(start, 0, kept, Contents::Kept) };
            block.admit_consumed(0);
            return Ok(Consumed { block, resize_failed: true });
        }
        let grown = block.grown_in_place(kept, len);
        // SAFETY: the block has `len` bytes since `realloc`. C code may still be writing to them, which `Kept` allows.
        let touched = unsafe { touch(block.start, 0, kept, Contents::Kept) };
        let resize_failed = touched.and(grown).is_err();
        if resize_failed {
            block.shrink_back(kept);
        }
        block.admit_consumed(redzone);
        Ok(Consumed { block, resize_failed })
    }

    /// Adds a consumed block, with a redzone of this length after it, to the debug mode's records.
    fn admit_consumed(&self, redzone: usize) {
        if debug::is_enabled() {
            // SAFETY: the block has room for the redzone. Methods that move or end a block take its record out first.
            unsafe { debug::admit(self.start, self.len, redzone, false) }
        }
    }

    /// Checks whether [`consume`](Self::consume) would be refused now. Changes nothing.
    ///
    /// # Errors
    ///
    /// Those that `consume` would return. Other threads may change the answer before `consume` is called.
    ///
    /// # Safety
    ///
    /// `start` must be a live block of the C allocator, as for `consume`. Nobody may free or resize it during the call.
    pub unsafe fn check_consume(start: NonNull<u8>, len: usize) -> Result<(), OutOfMemory> {
        BlockLen::new(len)?;
        // Only the bytes by which the block grows need more memory.
        // SAFETY: the caller promises that `start` is a live block of the C allocator.
        let held = unsafe { os::usable_size(start) }.unwrap_or(0);
        reclaim::retry(|| {
            budget::check_limit(len)?;
            budget::check(len.saturating_sub(held))
        })
    }
}
