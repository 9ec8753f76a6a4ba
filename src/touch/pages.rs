//! One write to each page: what works everywhere.

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
use std::arch::asm;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", miri)))]
use std::sync::atomic::{AtomicU8, Ordering};

use super::Contents;

/// Writes to one byte of each page that the run lies in; or to all bytes, where they are given contents.
///
/// # Safety
///
/// As for [`touch`](super::touch).
#[inline]
pub(super) unsafe fn touch_or_fill(start: *mut u8, len: usize, page: usize, contents: Contents) {
    // SAFETY: passed on from the caller.
    unsafe {
        match contents {
            Contents::Byte(byte) => start.write_bytes(byte, len),
            Contents::Fresh | Contents::Kept => touch_pages(start, len, page, contents),
        }
    }
}

/// Writes to one byte of each page that the run lies in. Contents that the bytes are to be given are not.
///
/// # Safety
///
/// As for [`touch`](super::touch).
pub(super) unsafe fn touch_pages(start: *mut u8, len: usize, page: usize, contents: Contents) {
    // A page's size is a power of two, which a division is not told.
    let to_boundary = page - (start.addr() & (page - 1));
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
/// `byte` must be writable memory of the caller's allocation; unless for [`Contents::Kept`] of nobody
/// else's concern.
#[inline]
unsafe fn touch_byte(byte: *mut u8, contents: Contents) {
    match contents {
        // SAFETY: nobody else looks at the byte and its value does not matter. Volatile, because the
        // optimiser knows what `malloc` is and drops stores that nobody reads.
        Contents::Fresh | Contents::Byte(_) => unsafe { byte.write_volatile(0) },
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

    #[test]
    fn contents_are_kept_or_given() {
        let mut memory = [7u8; 300];
        // SAFETY: all of it is this test's.
        unsafe { touch_or_fill(memory.as_mut_ptr(), 300, 64, Contents::Kept) };
        assert_eq!(memory, [7; 300]);
        // SAFETY: likewise.
        unsafe { touch_or_fill(memory.as_mut_ptr().add(1), 298, 64, Contents::Byte(9)) };
        assert_eq!((memory[0], memory[299]), (7, 7));
        assert_eq!(memory[1..299], [9; 298]);
    }
}
