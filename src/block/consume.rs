//! [`Block::consume`]: taking a block over that C code made.

use std::ptr::NonNull;

use super::{Attributes, Block};
use crate::error::OutOfMemory;
use crate::touch::{Contents, touch};
use crate::{budget, debug, os, placement, pool};

/// What [`Block::consume`] made of a foreign block.
#[derive(Debug)]
pub struct Consumed {
    /// The block, now owned.
    pub block: Block,
    /// Whether it could not be resized as asked, so that it holds what it held before (at most what
    /// was asked for).
    pub resize_failed: bool,
}

impl Block {
    /// Takes over a block that C's `malloc` made, and resizes it to `len` bytes, keeping its
    /// contents. What it grows by is made resident, and holds anything.
    ///
    /// If the allocator or the system cannot give that much more, the block is taken over as it is:
    /// see [`Consumed::resize_failed`].
    ///
    /// # Parameters
    ///
    /// - `start`: the block's address.
    /// - `len`: bytes, at least 1.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`malloc`](Self::malloc), the block then still being the caller's.
    ///
    /// # Safety
    ///
    /// `start` must be what `malloc`, `calloc`, `realloc` or `posix_memalign` of this process's C
    /// library returned (on Windows: of the C runtime that this crate is linked to), not freed, and
    /// the caller must own it. After `Ok` nobody may use the address but through the block.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ptr::NonNull;
    ///
    /// // SAFETY: `malloc` has no precondition.
    /// let foreign = NonNull::new(unsafe { libc::malloc(3) }).unwrap().cast();
    /// // SAFETY: `foreign` came from `malloc` and is used by nobody else.
    /// let consumed = unsafe { cmalloc::Block::consume(foreign, 1000)? };
    /// assert_eq!(consumed.block.len(), 1000);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub unsafe fn consume(start: NonNull<u8>, len: usize) -> Result<Consumed, OutOfMemory> {
        if len == 0 || len > isize::MAX as usize {
            return Err(OutOfMemory::Allocator { requested: len });
        }
        // SAFETY: the caller vouches for a live block of the C allocator.
        unsafe { Self::check_consume(start, len)? };
        // SAFETY: likewise.
        let held = unsafe { os::usable_size(start) };
        let kept = held.map_or(len, |held| held.min(len));
        pool::or_give_up(|| budget::charge_resident(kept))?;
        // SAFETY: the caller gives the block up to us; `kept` is at most what it holds. (Where the
        // system does not tell, `len` is not claimed before `realloc` made room for it: see below.)
        let mut block = Self { start, len: kept, attributes: Attributes::PLAIN };
        let redzone = debug::redzone();
        // SAFETY: the block is ours, and its old address is not used again; after a refusal it is as it was.
        let resize = || unsafe { placement::realloc(start, len.saturating_add(redzone)) };
        if let Some(moved) = resize().or_else(|| if pool::give_up() { resize() } else { None }) {
            block.start = moved;
        } else if held.is_none() {
            // Nobody knows what it holds. Hand it back, rather than claim bytes that may not exist.
            let _ = block.into_raw();
            return Err(OutOfMemory::Allocator { requested: len });
        } else {
            // The block is ours already: memory that runs out while it is touched is no reason to fail.
            // SAFETY: the first `kept` bytes are the block's, perhaps being written by C code.
            let _ = unsafe { touch(start, 0, kept, Contents::Kept) };
            block.admit_consumed(0);
            return Ok(Consumed { block, resize_failed: true });
        }
        let grown = block.grown_in_place(kept, len);
        // SAFETY: the block holds `len` bytes since `realloc`; the first `kept` have contents.
        let touched = unsafe { touch(block.start, 0, kept, Contents::Kept) };
        let resize_failed = touched.and(grown).is_err();
        if resize_failed {
            block.shrink_back(kept);
        }
        block.admit_consumed(redzone);
        Ok(Consumed { block, resize_failed })
    }

    /// Enters a consumed block, followed by so many bytes of ours, into the debug mode's records.
    fn admit_consumed(&self, redzone: usize) {
        if debug::is_enabled() {
            // SAFETY: the block and what follows it are ours; every method that moves or ends it tells.
            unsafe { debug::admit(self.start, self.len, redzone, false) }
        }
    }

    /// Looks whether [`consume`](Self::consume) would be refused now. The block stays the caller's, and nothing is
    /// changed.
    ///
    /// # Errors
    ///
    /// What `consume` would return. Another thread may have changed the answer by the time that it is called.
    ///
    /// # Safety
    ///
    /// `start` must be a live block of the C allocator, as for `consume`, and nobody may free or resize it meanwhile.
    pub unsafe fn check_consume(start: NonNull<u8>, len: usize) -> Result<(), OutOfMemory> {
        if len == 0 || len > isize::MAX as usize {
            return Err(OutOfMemory::Allocator { requested: len });
        }
        // What the block holds is resident already, or has been promised; what it grows by is not.
        // SAFETY: the caller vouches for a live block of the C allocator.
        let held = unsafe { os::usable_size(start) }.unwrap_or(0);
        pool::or_give_up(|| {
            budget::check_limit(len)?;
            budget::check(len.saturating_sub(held))
        })
    }
}
