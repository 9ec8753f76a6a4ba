//! One write to each page, which works on every system.

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
use std::arch::asm;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", miri)))]
use std::sync::atomic::{AtomicU8, Ordering};

/// What the bytes hold before they are touched, or afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Before: anything or zeros. Afterwards: the same, or zeros in some places.
    Fresh,
    /// Before and afterwards: the same, although C code may be writing to the bytes meanwhile.
    Kept,
    /// Before: anything. Afterwards: this byte everywhere.
    Byte(u8),
}

/// Writes to one byte of each page that the bytes lie in, or to all bytes if they are given contents.
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

/// Writes to one byte of each page that the bytes lie in. Does not give them contents.
///
/// # Safety
///
/// As for [`touch`](super::touch).
pub(super) unsafe fn touch_pages(start: *mut u8, len: usize, page: usize, contents: Contents) {
    // Page sizes are powers of two. The compiler does not know that, and would divide.
    let to_boundary = page - (start.addr() & (page - 1));
    let mut offset = 0;
    let mut next = to_boundary;
    while offset < len {
        // SAFETY: `offset < len`, so it is one of the caller's bytes.
        unsafe { touch_byte(start.add(offset), contents) };
        offset = next;
        next += page;
    }
}

/// Writes to a byte.
///
/// # Safety
///
/// `byte` must be writable memory of the caller. Except for [`Contents::Kept`], nobody else may access it.
#[inline]
unsafe fn touch_byte(byte: *mut u8, contents: Contents) {
    match contents {
        // SAFETY: nobody else accesses the byte, and its value does not matter. The write is volatile because the
        // compiler knows `malloc`, and removes writes that nobody reads.
        Contents::Fresh | Contents::Byte(_) => unsafe { byte.write_volatile(0) },
        // SAFETY: the byte is writable.
        Contents::Kept => unsafe { write_back(byte) },
    }
}

/// Writes a byte's own value to it, in one atomic step: `*byte = *byte` could undo a write that C code makes meanwhile.
/// The byte may be uninitialised. Rust may not read such a byte, but an instruction of the processor may.
///
/// # Safety
///
/// `byte` must be writable memory.
#[inline]
unsafe fn write_back(byte: *mut u8) {
    #[cfg(miri)]
    let _ = byte; // Miri has no pages to touch.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: one atomic instruction on the caller's byte, which changes no bit of it.
    unsafe {
        asm!("lock or byte ptr [{byte}], 0", byte = in(reg) byte, options(nostack));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: an exclusive load and store of the caller's byte, repeated until no other write came between.
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
        // This touches the page. `fetch_or(0)` would not: the compiler removes it.
        // SAFETY: the byte is writable, and every address is aligned for one byte.
        let byte = unsafe { AtomicU8::from_ptr(byte) };
        let _ = byte.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever the run starts and ends. The test looks for the zeros that `touch_pages` writes.
    #[test]
    fn touch_pages_writes_once_to_every_page_and_nowhere_else() {
        let page = 64;
        for misalignment in [0, 1, 63] {
            for len in [1, 2, 63, 64, 65, 128, 200] {
                let mut memory = vec![0xffu8; page * 8];
                let base = memory.as_ptr().align_offset(page);
                let start = base + misalignment;
                // SAFETY: at most 63 + 63 + 200 bytes into a vector of 512, which nobody else uses.
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
        // SAFETY: only this test uses the array.
        unsafe { touch_or_fill(memory.as_mut_ptr(), 300, 64, Contents::Kept) };
        assert_eq!(memory, [7; 300]);
        // SAFETY: as above.
        unsafe { touch_or_fill(memory.as_mut_ptr().add(1), 298, 64, Contents::Byte(9)) };
        assert_eq!((memory[0], memory[299]), (7, 7));
        assert_eq!(memory[1..299], [9; 298]);
    }
}
