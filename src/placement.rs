//! Where large blocks are placed: such that huge pages fit under them.
//!
//! What is mapped for a block alone starts on the boundary of a huge page; so does the block, as what C's `malloc`
//! writes in front of it would keep the first huge page away. Somewhat more is asked for than the block holds: Linux
//! (since 6.7) places a mapping on such a boundary if its length is a multiple, also when `realloc` moves it: without
//! copying, and with its huge pages. What is asked for in addition is not touched; it takes addresses, but no memory.
//!
//! Blocks that come and go are another matter: those that are mapped are resident anew each time. glibc learns that
//! from the first large one that is freed, and takes what is no longer than that one from its heap from then on.
//! There a block is placed as C places it: what alignment leaves over would be taken by small blocks that stay, and
//! the heap would never shrink.
//!
//! Where there are no huge pages, this is the [`allocator`].

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{allocator, os};

/// The smallest that huge pages are, on any system.
const SMALLEST_HUGE_PAGE: usize = 1 << 20;

/// What an allocator may need of a mapping for its own books.
const BOOKS: usize = 128;

/// glibc never takes longer blocks from its heap.
const ALWAYS_MAPPED: usize = 32 << 20;

/// The longest block that was freed.
static LONGEST_FREED: AtomicUsize = AtomicUsize::new(0);

/// `malloc(len)`.
#[inline]
pub(crate) fn malloc(len: usize) -> Option<NonNull<u8>> {
    let Some(huge) = huge_page_for(len) else { return allocator::malloc(len) };
    allocator::aligned(huge, padded(len, huge)).or_else(|| allocator::malloc(len))
}

/// A block that starts on a multiple of `alignment`.
pub(crate) fn aligned(alignment: usize, len: usize) -> Option<NonNull<u8>> {
    let placed = huge_page_for(len).and_then(|huge| allocator::aligned(alignment.max(huge), padded(len, huge)));
    placed.or_else(|| allocator::aligned(alignment, len))
}

/// `free(block)`.
///
/// # Safety
///
/// As for [`allocator::free`]; the block must hold `len` bytes.
#[inline]
pub(crate) unsafe fn free(block: NonNull<u8>, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        if len >= SMALLEST_HUGE_PAGE {
            learn_from(block);
        }
        allocator::free(block);
    }
}

/// # Safety
///
/// `block` must be a live block of the C allocator.
unsafe fn learn_from(block: NonNull<u8>) {
    // SAFETY: passed on from the caller.
    let held = unsafe { os::usable_size(block) }.filter(|held| *held <= ALWAYS_MAPPED);
    LONGEST_FREED.fetch_max(held.unwrap_or(0), Ordering::Relaxed);
}

/// `calloc(len, 1)`. There is no `calloc` that aligns; but what is mapped is zero, and not cleared again.
#[inline]
pub(crate) fn calloc(len: usize) -> Option<NonNull<u8>> {
    // Should it come from a heap after all, then it is cleared to the last byte that was asked for.
    let huge = if len < ALWAYS_MAPPED { None } else { huge_page_for(len) };
    let Some(huge) = huge else { return allocator::calloc(len) };
    allocator::calloc(padded(len, huge)).or_else(|| allocator::calloc(len))
}

/// `realloc(block, len)`.
///
/// # Safety
///
/// As for [`allocator::realloc`].
#[inline]
pub(crate) unsafe fn realloc(block: NonNull<u8>, len: usize) -> Option<NonNull<u8>> {
    // SAFETY: passed on from the caller; a block that could not be resized is as it was.
    unsafe {
        let Some(huge) = huge_page_for(len) else { return allocator::realloc(block, len) };
        allocator::realloc(block, padded(len, huge)).or_else(|| allocator::realloc(block, len))
    }
}

/// The pages of a block that holds at least `len` bytes: those that C mapped for it, as far as that can be told, or
/// else those that it lies in.
///
/// What is told to the system about a part of a mapping cuts it in two, which `realloc` cannot move without
/// copying. A block of [`malloc`] that ends on the boundary of a huge page is a mapping by itself, and the huge page
/// before it was left over to align it. Should it be something else, then what is told about it does no harm.
///
/// # Safety
///
/// `block` must be a live block of the C allocator.
pub(crate) unsafe fn mapping(block: NonNull<u8>, len: usize) -> Range<usize> {
    // SAFETY: passed on from the caller.
    let held = unsafe { os::usable_size(block) }.map_or(len, |held| held.max(len));
    let (start, end, page) = (block.addr().get(), block.addr().get() + held, os::page_size());
    match os::huge_page_size() {
        Some(huge) if start.is_multiple_of(huge) && end.is_multiple_of(huge) => start.saturating_sub(huge)..end,
        _ => start / page * page..end.next_multiple_of(page),
    }
}

/// The size of a huge page, if one fits into a block of `len` bytes, and the block will be mapped by itself.
#[inline]
fn huge_page_for(len: usize) -> Option<usize> {
    if len < SMALLEST_HUGE_PAGE || len <= LONGEST_FREED.load(Ordering::Relaxed) {
        return None;
    }
    os::huge_page_size().filter(|huge| len >= *huge)
}

/// Such that block and books are whole huge pages.
fn padded(len: usize, huge: usize) -> usize {
    len.checked_add(BOOKS).and_then(|end| end.checked_next_multiple_of(huge)).map_or(len, |end| end - BOOKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_and_books_are_whole_huge_pages() {
        const HUGE: usize = 2 << 20;
        for (len, pages) in [(HUGE, 2), (2 * HUGE - BOOKS, 2), (2 * HUGE - BOOKS + 1, 3), (512 * HUGE, 513)] {
            assert_eq!(padded(len, HUGE), pages * HUGE - BOOKS, "{len}");
        }
        assert_eq!(padded(usize::MAX, HUGE), usize::MAX);
    }

    #[test]
    fn only_what_is_mapped_and_has_a_huge_page_is_padded() {
        let Some(huge) = os::huge_page_size() else { return };
        assert_eq!([1, huge - 1].map(huge_page_for), [None, None]);
        assert_eq!([ALWAYS_MAPPED + 1, usize::MAX].map(huge_page_for), [Some(huge), Some(huge)]);
    }

    /// In a mapping by itself, the huge page before the block is a part of it.
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    #[test]
    fn the_mapping_of_a_block_is_all_of_it() {
        let Some(huge) = os::huge_page_size() else { return };
        let len = ALWAYS_MAPPED + 1;
        let block = malloc(len).expect("it is not touched");
        assert!(block.addr().get().is_multiple_of(huge));
        // SAFETY: the block is alive.
        let mapping = unsafe { mapping(block, len) };
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux tells");
        let bounds = |line: &str| {
            let (start, end) = line.split_once(' ')?.0.split_once('-')?;
            Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
        };
        let around = maps.lines().filter_map(bounds).find(|bounds| bounds.contains(&block.addr().get()));
        let around = around.expect("the block is mapped");
        assert!(around.start <= mapping.start && mapping.end <= around.end, "{around:x?} has {mapping:x?}");
        if around.start.is_multiple_of(huge) {
            assert!(mapping.start + huge == block.addr().get() && mapping.len() > len);
        }
        // SAFETY: the block is freed once.
        unsafe { free(block, len) };
    }

    #[test]
    fn what_was_freed_is_learnt_from() {
        let before = LONGEST_FREED.load(Ordering::Relaxed);
        let len = before.max(SMALLEST_HUGE_PAGE) + 1;
        let block = allocator::malloc(len).expect("it is not touched");
        // SAFETY: the block is freed once.
        unsafe { free(block, len) };
        assert!(LONGEST_FREED.load(Ordering::Relaxed) >= len.min(ALWAYS_MAPPED) || cfg!(miri));
    }
}
