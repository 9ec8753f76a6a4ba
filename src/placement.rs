//! Places large blocks so that huge pages fit under them.
//!
//! A large block is usually a mapping of its own. It is aligned to a huge page, because its first huge page would
//! otherwise be kept away by the header that C's `malloc` writes before it. The request is rounded up, so that block
//! and header together are whole huge pages: then Linux, since 6.7, aligns the mapping also when `realloc` moves it,
//! and moves it without copying, with its huge pages. The additional bytes are never touched: they take addresses, but
//! no memory.
//!
//! A mapping must be made resident anew for each block. Therefore glibc takes a block from its heap if it is no longer
//! than one that was freed before. Such blocks are not aligned here: small blocks would settle in the gaps that
//! alignment leaves in the heap, and it could never shrink.
//!
//! On a system without huge pages, all of this does the same as [`allocator`].

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::length::BlockLen;
use crate::{allocator, os};

/// The size of the smallest huge pages of any system.
const SMALLEST_HUGE_PAGE: usize = 1 << 20;

/// How much of a mapping an allocator may need for its own header.
const HEADER: usize = 128;

/// glibc never takes blocks from its heap that are longer than this.
const ALWAYS_MAPPED: usize = 32 << 20;

/// The length of the longest block that was freed.
static LONGEST_FREED: AtomicUsize = AtomicUsize::new(0);

/// `malloc(len)`.
#[inline]
pub(crate) fn malloc(len: BlockLen) -> Option<NonNull<u8>> {
    let Some(huge) = huge_page_for(len.get()) else { return allocator::malloc(len) };
    allocator::aligned(huge, padded(len, huge)).or_else(|| allocator::malloc(len))
}

/// A block that starts at a multiple of `alignment`.
pub(crate) fn aligned(alignment: usize, len: BlockLen) -> Option<NonNull<u8>> {
    let placed = huge_page_for(len.get()).and_then(|huge| allocator::aligned(alignment.max(huge), padded(len, huge)));
    placed.or_else(|| allocator::aligned(alignment, len))
}

/// `free(block)`.
///
/// # Safety
///
/// As for [`allocator::free`]. The block must have `len` bytes.
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

/// Remembers the length of a block that is about to be freed.
///
/// # Safety
///
/// `block` must be a live block of the C allocator.
unsafe fn learn_from(block: NonNull<u8>) {
    // SAFETY: passed on from the caller.
    let held = unsafe { os::usable_size(block) }.filter(|held| *held <= ALWAYS_MAPPED);
    LONGEST_FREED.fetch_max(held.unwrap_or(0), Ordering::Relaxed);
}

/// `calloc(len, 1)`. No `calloc` aligns. But it does not clear a mapping, which is zero already.
#[inline]
pub(crate) fn calloc(len: BlockLen) -> Option<NonNull<u8>> {
    // A shorter block may come from a heap, where `calloc` would also clear the bytes that are added here.
    let huge = if len.get() < ALWAYS_MAPPED { None } else { huge_page_for(len.get()) };
    let Some(huge) = huge else { return allocator::calloc(len) };
    allocator::calloc(padded(len, huge)).or_else(|| allocator::calloc(len))
}

/// `realloc(block, len)`.
///
/// # Safety
///
/// As for [`allocator::realloc`].
#[inline]
pub(crate) unsafe fn realloc(block: NonNull<u8>, len: BlockLen) -> Option<NonNull<u8>> {
    // SAFETY: passed on from the caller. If the first call fails, the block is unchanged.
    unsafe {
        let Some(huge) = huge_page_for(len.get()) else { return allocator::realloc(block, len) };
        allocator::realloc(block, padded(len, huge)).or_else(|| allocator::realloc(block, len))
    }
}

/// The pages of a block that holds at least `len` bytes: those of its mapping if it has one of its own, or else the
/// pages that it lies in.
///
/// Advice to the system about a part of a mapping cuts it in two, and then `realloc` must copy it to move it. A block
/// of [`malloc`] that ends at the boundary of a huge page is a mapping of its own: the huge page before it is what was
/// left over for its alignment. If that guess is wrong, the advice does no harm.
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

/// The size of a huge page, if one fits into a block of `len` bytes and the block will be a mapping of its own.
#[inline]
fn huge_page_for(len: usize) -> Option<usize> {
    if len < SMALLEST_HUGE_PAGE || len <= LONGEST_FREED.load(Ordering::Relaxed) {
        return None;
    }
    os::huge_page_size().filter(|huge| len >= *huge)
}

/// The length to ask for, so that block and header together are whole huge pages.
fn padded(len: BlockLen, huge: usize) -> BlockLen {
    let used = len.get() + HEADER;
    len.plus(used.next_multiple_of(huge) - used).unwrap_or(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(len: usize) -> BlockLen {
        BlockLen::new(len).unwrap()
    }

    #[test]
    fn block_and_header_are_whole_huge_pages() {
        const HUGE: usize = 2 << 20;
        for (len, pages) in [(HUGE, 2), (2 * HUGE - HEADER, 2), (2 * HUGE - HEADER + 1, 3), (512 * HUGE, 513)] {
            assert_eq!(padded(length(len), HUGE), length(pages * HUGE - HEADER), "{len}");
        }
        let longest = length(isize::MAX as usize);
        assert_eq!(padded(longest, HUGE), longest);
    }

    #[test]
    fn only_what_is_mapped_and_has_a_huge_page_is_padded() {
        let Some(huge) = os::huge_page_size() else { return };
        assert_eq!([1, huge - 1].map(huge_page_for), [None, None]);
        assert_eq!([ALWAYS_MAPPED + 1, usize::MAX].map(huge_page_for), [Some(huge), Some(huge)]);
    }

    /// In a mapping of its own, the huge page before the block is a part of the mapping.
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    #[test]
    fn the_mapping_of_a_block_is_all_of_it() {
        let Some(huge) = os::huge_page_size() else { return };
        let len = ALWAYS_MAPPED + 1;
        let block = malloc(length(len)).expect("it is not touched");
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
    fn the_longest_freed_length_is_remembered() {
        let before = LONGEST_FREED.load(Ordering::Relaxed);
        let len = before.max(SMALLEST_HUGE_PAGE) + 1;
        let block = allocator::malloc(length(len)).expect("it is not touched");
        // SAFETY: the block is freed once.
        unsafe { free(block, len) };
        assert!(LONGEST_FREED.load(Ordering::Relaxed) >= len.min(ALWAYS_MAPPED) || cfg!(miri));
    }
}
