//! The patterns that the debug mode writes to memory.

use std::hint::black_box;

/// The byte that fills a redzone.
const REDZONE_BYTE: u8 = 0xfb;
/// The byte that fills memory which nobody has written to.
const UNINIT_BYTE: u8 = 0xa5;
/// The byte that fills freed memory.
const FREED_BYTE: u8 = 0xdf;

/// What is wrong with a redzone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// The offset of the first bad byte from the beginning of the redzone.
    pub(super) offset: usize,
    pub(super) expected: u8,
    pub(super) found: u8,
    /// How many bytes of the redzone are bad.
    pub(super) bytes: usize,
}

/// # Safety
///
/// `start` must be valid for writes of `len` bytes.
pub(super) unsafe fn write(start: *mut u8, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe { start.write_bytes(REDZONE_BYTE, len) }
}

/// # Safety
///
/// `start` must be valid for reads of `len` bytes, which `write` has filled.
pub(super) unsafe fn verify(start: *const u8, len: usize) -> Result<(), Damage> {
    // SAFETY: `offset < len`. The read is volatile because C code may be writing there.
    let found = |offset: usize| unsafe { start.add(offset).read_volatile() };
    let mut damaged = (0..len).map(|offset| (offset, found(offset))).filter(|(_, byte)| *byte != REDZONE_BYTE);
    match damaged.next() {
        None => Ok(()),
        Some((offset, found)) => Err(Damage { offset, expected: REDZONE_BYTE, found, bytes: 1 + damaged.count() }),
    }
}

/// # Safety
///
/// As for [`write()`].
pub(super) unsafe fn write_uninit(start: *mut u8, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe { start.write_bytes(UNINIT_BYTE, len) }
}

/// # Safety
///
/// As for [`write()`].
pub(super) unsafe fn write_freed(start: *mut u8, len: usize) {
    // SAFETY: passed on from the caller.
    unsafe { start.write_bytes(FREED_BYTE, len) };
    // Without this the compiler removes the writes, because the memory is freed afterwards.
    black_box(start);
}
