//! Secure blocks: their pages are locked in memory and left out of core dumps, and their bytes are wiped.
//!
//! The system locks whole pages, and does not count how often. Each locked stretch is a mapping, and a process may have
//! only so many. So blocks that fit into a page share [`vaults`]; only a larger one has [`pages`] of its own.

mod cells;
mod pages;
mod vaults;
mod wipe;

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;

#[cfg(feature = "napi")]
pub(crate) use self::vaults::holds;
#[cfg(feature = "napi")]
pub(crate) use self::wipe::wipe;
use crate::error::OutOfMemory;
use crate::length::BlockLen;
use crate::placement;

/// Memory for a secure block of `len` bytes, with room for `more` after it, at a multiple of `alignment`.
pub(super) fn obtain(len: BlockLen, more: usize, alignment: usize) -> Result<NonNull<u8>, OutOfMemory> {
    match vaults::cell_size(len.plus(more)?, alignment) {
        Some(size) => vaults::take(size, len),
        None => pages::obtain(len.get(), len.plus(more)?, alignment, len.get()),
    }
}

/// Wipes the memory of a secure block and gives it back.
///
/// # Safety
///
/// `start` must come from [`obtain`] for at least `len` bytes, of which those after `len` were wiped. The caller must
/// own the block, and does not use it again.
pub(super) unsafe fn end(start: NonNull<u8>, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        if !vaults::give_back(start) {
            wipe::wipe(start, len);
            pages::give_back(start, len);
        }
    }
}

/// Wipes the bytes from `kept` on, which the block loses, and no longer protects pages that only they need.
///
/// # Safety
///
/// As for [`end`], but the first `kept` bytes stay the block's.
pub(super) unsafe fn shorten(start: NonNull<u8>, kept: usize, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        wipe::wipe(start.add(kept), len - kept);
        if !vaults::holds(start.addr().get()) {
            pages::expose(start, kept, len);
        }
    }
}

/// The block's contents in memory that C's `free` takes, and that is not protected: where they are, or in a copy.
///
/// # Safety
///
/// As for [`end`].
pub(super) unsafe fn give_away(start: NonNull<u8>, len: usize) -> NonNull<u8> {
    if !vaults::holds(start.addr().get()) {
        // SAFETY: passed on from the caller.
        unsafe { pages::give_away(start, len) };
        return start;
    }
    let Some(copy) = BlockLen::new(len).ok().and_then(placement::malloc) else {
        handle_alloc_error(Layout::array::<u8>(len).unwrap_or(Layout::new::<u8>()))
    };
    // SAFETY: the copy was just made and has `len` bytes. The rest is passed on from the caller.
    unsafe {
        copy.copy_from_nonoverlapping(start, len);
        vaults::give_back(start);
    }
    copy
}
