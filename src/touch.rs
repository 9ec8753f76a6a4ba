//! Touching: putting every page of a run of bytes into physical memory.
//!
//! A fresh page of anonymous memory is only a promise. A write to it makes the kernel keep the
//! promise; where the kernel offers to populate a whole range in one call, that is used instead.

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
use std::arch::asm;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", miri)))]
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::OutOfMemory;
use crate::{budget, os};

/// From here on a call into the kernel costs less than a page fault for each page.
const POPULATE_FROM: usize = 64 << 10;

/// What the bytes hold before they are touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing that matters, or zeros: a zero may be written anywhere.
    Fresh,
    /// Bytes that must stay as they are, while C code may be writing to them.
    Kept,
}

/// Makes `len` bytes from `start` resident, the partial pages at both ends included.
///
/// Large runs are populated in steps; before each of them the memory that is left is asked for
/// anew. On an error a part of the run may be resident; no contents have changed.
///
/// # Safety
///
/// The bytes must be one live, writable allocation owned by the caller. With [`Contents::Fresh`]
/// nobody else may access them during the call.
pub(crate) unsafe fn touch(start: *mut u8, len: usize, contents: Contents) -> Result<(), OutOfMemory> {
    let mut done = 0;
    while done < len {
        let step = budget::step(len, done)?;
        // SAFETY: `done + step <= len`, so the step lies in the caller's allocation.
        unsafe { touch_step(start.add(done), step, contents) };
        done += step;
    }
    Ok(())
}

/// # Safety
///
/// As for [`touch`].
unsafe fn touch_step(start: *mut u8, len: usize, contents: Contents) {
    let page = os::page_size();
    if len >= POPULATE_FROM {
        // The kernel populates whole pages only: those at the ends, which the block shares with its
        // neighbours, are touched by hand.
        let head = start.align_offset(page).min(len);
        let whole = (len - head) / page * page;
        // Memory that the allocator had in use before is resident already; then writing to it is many
        // times faster. One page in the middle tells; should it mislead, only time is lost.
        // SAFETY: `head + whole / 2` rounded down to a page is the start of a whole page of the block.
        let recycled = whole > 0 && unsafe { is_resident(start.add(head + whole / 2 / page * page)) };
        // SAFETY: `head + whole <= len`: both lie in the caller's allocation, and `start + head` is
        // page-aligned.
        if !recycled && unsafe { os::populate(start.add(head), whole) } {
            // SAFETY: likewise inside the caller's allocation.
            unsafe {
                touch_pages(start, head, page, contents);
                touch_pages(start.add(head + whole), len - head - whole, page, contents);
            }
            return;
        }
    }
    // SAFETY: passed on from the caller.
    unsafe { touch_pages(start, len, page, contents) };
}

/// # Safety
///
/// `start` must be the start of a mapped page.
unsafe fn is_resident(page: *const u8) -> bool {
    let mut state = [false];
    // SAFETY: passed on from the caller.
    unsafe { os::resident_pages(page, &mut state) }.is_ok() && state[0]
}

/// Writes to one byte of each page that the run lies in.
///
/// # Safety
///
/// As for [`touch`].
unsafe fn touch_pages(start: *mut u8, len: usize, page: usize, contents: Contents) {
    if len == 0 {
        return;
    }
    let to_boundary = page - start.addr() % page;
    let mut offset = 0;
    let mut next = to_boundary;
    while offset < len {
        // SAFETY: `offset < len`, so the byte is the caller's.
        unsafe { touch_byte(start.add(offset), contents) };
        offset = next;
        next += page;
    }
}

/// # Safety
///
/// `byte` must be writable memory of the caller's allocation; for [`Contents::Fresh`] of nobody
/// else's concern.
#[inline]
unsafe fn touch_byte(byte: *mut u8, contents: Contents) {
    match contents {
        // SAFETY: nobody else looks at the byte and its value does not matter. Volatile, because the
        // optimiser knows what `malloc` is and drops stores that nobody reads.
        Contents::Fresh => unsafe { byte.write_volatile(0) },
        // SAFETY: the byte is valid for writes.
        Contents::Kept => unsafe { write_back(byte) },
    }
}

/// Writes what a byte holds back to it, in one step: no write that C code makes meanwhile is lost, as
/// `*byte = *byte` would lose it. It may be uninitialised, which only the processor can read.
///
/// # Safety
///
/// `byte` must be writable memory.
#[inline]
unsafe fn write_back(byte: *mut u8) {
    #[cfg(miri)]
    let _ = byte; // Miri has no pages to touch.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: one locked read-modify-write of the caller's byte, which changes no bit of it.
    unsafe {
        asm!("lock or byte ptr [{byte}], 0", byte = in(reg) byte, options(nostack));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: an exclusive load and store of the caller's byte, repeated until nobody came between.
    unsafe {
        asm!(
            "2:",
            "ldxrb {value:w}, [{byte}]",
            "stxrb {failed:w}, {value:w}, [{byte}]",
            "cbnz {failed:w}, 2b",
            byte = in(reg) byte, value = out(reg) _, failed = out(reg) _, options(nostack),
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", miri)))]
    {
        // Unlike `fetch_or(0)`, which the optimiser drops, this touches the page.
        // SAFETY: the byte is valid for writes, and any alignment is right for one byte.
        let byte = unsafe { AtomicU8::from_ptr(byte) };
        let _ = byte.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocator;

    /// Every page of a run is touched, wherever the run starts and ends in its pages: seen by the
    /// addresses that `touch_pages` writes a zero to.
    #[test]
    fn touch_pages_writes_once_to_every_page_and_nowhere_else() {
        let page = 64;
        for misalignment in [0, 1, 63] {
            for len in [1, 2, 63, 64, 65, 128, 200] {
                let mut memory = vec![0xffu8; page * 8];
                let base = memory.as_ptr().align_offset(page);
                let start = base + misalignment;
                // SAFETY: at most 63 + 63 + 200 bytes into a vector of 512, nobody else looks at it.
                unsafe { touch_pages(memory.as_mut_ptr().add(start), len, page, Contents::Fresh) };
                let first_page = start / page * page;
                for (index, byte) in memory.iter().enumerate() {
                    let in_run = index >= start && index < start + len;
                    // Page boundaries are counted from the aligned base.
                    let expected = in_run && (index == start || (index - base) % page == 0);
                    assert_eq!(*byte == 0, expected, "byte {index} of a run of {len} from {start} ({first_page})");
                }
            }
        }
    }

    /// In memory that nobody else has touched. The heap is no place for this: what the allocator writes in
    /// front of a block makes the first page resident.
    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn the_partial_pages_at_both_ends_are_resident() {
        let page = os::page_size();
        let pages = POPULATE_FROM / page + 4;
        for contents in [Contents::Fresh, Contents::Kept] {
            for (offset, len) in [(0, 1), (page - 1, 2), (page / 2, POPULATE_FROM + page), (1, (pages - 1) * page)] {
                // SAFETY: a new mapping, which this test alone uses and takes away.
                unsafe {
                    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
                    let map = libc::mmap(std::ptr::null_mut(), pages * page, access, flags, -1, 0).cast::<u8>();
                    assert_ne!(map.cast(), libc::MAP_FAILED);
                    // No page of 2 MiB, which would bring the neighbours along.
                    libc::madvise(map.cast(), pages * page, libc::MADV_NOHUGEPAGE);
                    touch(map.add(offset), len, contents).expect("a few pages fit");
                    for index in 0..pages {
                        let in_run = index * page < offset + len && (index + 1) * page > offset;
                        let resident = is_resident(map.add(index * page));
                        assert_eq!(resident, in_run, "page {index} of a run of {len} from {offset}, {contents:?}");
                    }
                    libc::munmap(map.cast(), pages * page);
                }
            }
        }
    }

    #[test]
    fn kept_contents_stay() {
        let len = 5 * os::page_size() + 3;
        let block = allocator::malloc(len).expect("five pages");
        // SAFETY: `block` has `len` bytes, is used by this test alone, and is freed once at the end.
        unsafe {
            block.as_ptr().write_bytes(7, len);
            touch(block.as_ptr(), len, Contents::Kept).expect("five pages fit");
            assert!(std::slice::from_raw_parts(block.as_ptr(), len).iter().all(|byte| *byte == 7));
            allocator::free(block);
        }
    }
}
