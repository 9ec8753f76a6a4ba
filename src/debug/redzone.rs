//! The patterns in memory.

use std::hint::black_box;

/// What a redzone holds.
const REDZONE_BYTE: u8 = 0xfb;
/// What bytes hold that nobody has written to.
const UNINIT_BYTE: u8 = 0xa5;
/// What bytes hold that are freed.
const FREED_BYTE: u8 = 0xdf;

/// The first byte of a redzone that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// Counted from the beginning of the redzone.
    pub(super) offset: usize,
    pub(super) expected: u8,
    pub(super) found: u8,
    /// How many bytes of the redzone are not as they should be.
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
/// `start` must be valid for reads of `len` bytes, a redzone that was written.
pub(super) unsafe fn verify(start: *const u8, len: usize) -> Result<(), Damage> {
    // SAFETY: `offset < len`. Volatile, because C code may be writing there at this very moment.
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
    // The optimiser knows `free`, and drops stores that only freed memory would show.
    black_box(start);
}
