//! Touching: makes every page of some bytes resident.
//!
//! The kernel gives a new page memory only when somebody first writes to it ([`pages`]), and that takes time. Memory
//! that the allocator used before is resident already, and touching it should take next to no time. So for a large run
//! of bytes the system is asked first which pages are resident ([`residency`](crate::residency)). The others are
//! brought in by few calls, and as huge pages, if the system can do that ([`populate`]).

mod pages;
mod populate;

use std::ptr::NonNull;

pub(crate) use self::pages::Contents;
use self::pages::touch_or_fill;
use self::populate::Populating;
use crate::error::OutOfMemory;
use crate::{budget, os, placement};

/// From this length on, asking which pages are resident is faster than writing to each of them. For shorter blocks it
/// would save time when the block is new, and lose a hundred times as much in all when it is not.
const ASK_FROM: usize = 1 << 20;

/// Makes the bytes from `from` to `to` of a block resident, including the partial pages at both ends.
///
/// Many bytes are touched in steps, with a look at the memory that is left before each step. On an error a part of the
/// bytes may be resident. [`Contents::Kept`] never change.
///
/// # Safety
///
/// `block` must be a live block of the C allocator with at least `to` bytes, or a cell of a vault with at least `to` bytes
/// that is shorter than [`ASK_FROM`]. The caller must own it. Except for [`Contents::Kept`], nobody else may access the
/// bytes during the call.
pub(crate) unsafe fn touch(block: NonNull<u8>, from: usize, to: usize, contents: Contents) -> Result<(), OutOfMemory> {
    // SAFETY: `from` is at most `to`, and the block has at least `to` bytes.
    let start = unsafe { block.as_ptr().add(from) };
    let len = to - from;
    if len < ASK_FROM || !os::BRINGS_MANY {
        // SAFETY: each step lies in the bytes. The rest is passed on from the caller.
        return in_steps(len, |done, step| unsafe { touch_or_fill(start.add(done), step, os::page_size(), contents) });
    }
    // SAFETY: passed on from the caller.
    let mut populating = unsafe { Populating::new(start, len, contents, placement::mapping(block, to)) };
    // SAFETY: each step lies in the bytes.
    in_steps(len, |done, step| unsafe { populating.step(done, step) })
}

/// Calls `touch_step` for one part of `len` bytes after the other, with the offset and the length of the part.
#[inline]
fn in_steps(len: usize, mut touch_step: impl FnMut(usize, usize)) -> Result<(), OutOfMemory> {
    let mut done = 0;
    while done < len {
        let step = budget::step(len, done)?;
        touch_step(done, step);
        done += step;
    }
    Ok(())
}
