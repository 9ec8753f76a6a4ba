//! [`Block`]: the owner of one run of bytes from C's `malloc` family.

use std::fmt;
use std::hint::black_box;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::debug::{self, Corruption};
use crate::error::OutOfMemory;
use crate::fill::fill;
use crate::touch::{Contents, touch};
use crate::{budget, os, placement, pool, residency};

/// One run of bytes from C's `malloc`, all of it resident, freed with C's `free` when dropped.
///
/// A block is never empty, and never moves unless [`resize`](Self::resize) moves it.
///
/// Its bytes may be uninitialised, as `malloc` leaves them; that is why they are reached through a
/// pointer, and why [`as_slice`](Self::as_slice) is unsafe.
pub struct Block {
    start: NonNull<u8>,
    len: usize,
}

/// What a new block's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// Whatever the memory holds.
    Uninit,
    /// Zero everywhere, by the allocator, which knows what is zero already.
    Zero,
    /// This byte everywhere.
    Byte(u8),
}

impl Init {
    /// What touching is to make of them.
    #[inline]
    pub(crate) fn contents(self) -> Contents {
        match self {
            Self::Uninit | Self::Zero => Contents::Fresh,
            Self::Byte(byte) => Contents::Byte(byte),
        }
    }
}

/// What [`Block::consume`] made of a foreign block.
#[derive(Debug)]
pub struct Consumed {
    /// The block, now owned.
    pub block: Block,
    /// Whether it could not be resized as asked, so that it holds what it held before (at most what
    /// was asked for).
    pub resize_failed: bool,
}

// SAFETY: a block is the only owner of its bytes, and the C allocator's memory may be used and freed
// in any thread.
unsafe impl Send for Block {}
// SAFETY: through `&Block` safe code can read the address and the length only.
unsafe impl Sync for Block {}

impl Block {
    /// Allocates `len` bytes with `malloc` and makes them resident.
    ///
    /// # Parameters
    ///
    /// - `len`: bytes, at least 1.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the machine, its container, the set limit or the allocator has not that
    /// much, or if `len` is 0 or over `isize::MAX`.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = cmalloc::Block::malloc(4096)?;
    /// assert_eq!(block.len(), 4096);
    /// assert!(cmalloc::Block::malloc(0).is_err());
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[inline]
    pub fn malloc(len: usize) -> Result<Self, OutOfMemory> {
        Self::allocate(len, Init::Uninit)
    }

    /// Allocates `len` zeroed bytes with `calloc` and makes them resident. What the system cleared is not
    /// cleared again.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    ///
    /// # Examples
    ///
    /// ```
    /// let block = cmalloc::Block::calloc(100)?;
    /// // SAFETY: `calloc` initialised every byte.
    /// assert_eq!(unsafe { block.as_slice() }, [0; 100]);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[inline]
    pub fn calloc(len: usize) -> Result<Self, OutOfMemory> {
        Self::allocate(len, Init::Zero)
    }

    /// Allocates `len` bytes with `malloc`, resident, each of them `byte`. That takes less time than to fill
    /// them afterwards.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    ///
    /// # Examples
    ///
    /// ```
    /// let block = cmalloc::Block::filled(100, b'A')?;
    /// // SAFETY: every byte was filled.
    /// assert_eq!(unsafe { block.as_slice() }, [b'A'; 100]);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[inline]
    pub fn filled(len: usize, byte: u8) -> Result<Self, OutOfMemory> {
        Self::allocate(len, Init::Byte(byte))
    }

    #[inline]
    pub(crate) fn allocate(len: usize, init: Init) -> Result<Self, OutOfMemory> {
        pool::or_give_up(|| Self::allocate_at_once(len, init))
    }

    /// [`allocate`](Self::allocate) for who has pools give up what they retain if this is refused.
    #[inline]
    pub(crate) fn allocate_at_once(len: usize, init: Init) -> Result<Self, OutOfMemory> {
        // From here on the block gives back what it holds, should touching it be refused half-way.
        let block = Self::obtain(len, init)?;
        // SAFETY: the block was just made: it has `len` bytes that nobody else knows of.
        unsafe { touch(block.start, 0, len, init.contents())? };
        block.complete(init);
        Ok(block)
    }

    /// A block that has not been touched.
    #[inline]
    pub(crate) fn obtain(len: usize, init: Init) -> Result<Self, OutOfMemory> {
        if len == 0 || len > isize::MAX as usize {
            return Err(OutOfMemory::Allocator { requested: len });
        }
        budget::charge(len)?;
        let room = len.saturating_add(debug::redzone());
        let allocated = match init {
            Init::Zero => placement::calloc(room),
            Init::Uninit | Init::Byte(_) => placement::malloc(room),
        };
        let Some(start) = allocated else {
            budget::refund(len);
            return Err(OutOfMemory::Allocator { requested: len });
        };
        Ok(Self { start, len })
    }

    /// What is to be done in the debug mode as soon as the block is resident.
    #[inline]
    pub(crate) fn complete(&self, init: Init) {
        let redzone = debug::redzone();
        if redzone > 0 {
            // SAFETY: the block was just made, with room for the redzone; every method that moves or ends it tells.
            unsafe {
                if init == Init::Uninit {
                    debug::paint(self.start.as_ptr(), self.len);
                }
                debug::admit(self.start, self.len, redzone);
            }
        }
    }

    /// The address of the first byte.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Takes over a block that C's `malloc` made, and resizes it to `len` bytes, keeping its
    /// contents.
    ///
    /// If the allocator or the system cannot give that much more, the block is taken over as it is:
    /// see [`Consumed::resize_failed`].
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
        let mut block = Self { start, len: kept };
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
            unsafe { debug::admit(self.start, self.len, redzone) }
        }
    }

    /// Whether [`consume`](Self::consume) would be refused now.
    ///
    /// # Errors
    ///
    /// What `consume` would return.
    ///
    /// # Safety
    ///
    /// `start` must be a live block of the C allocator.
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

    /// The address of the first byte, aligned as `malloc` aligns.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The number of bytes, as it was asked for.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// Every byte must have been initialised, and C code must not write to the block as long as the
    /// slice lives.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the block owns `len` bytes from `start`; the caller vouches for their contents.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Fills the block with `pattern`, repeated; the last repetition is cut. An empty pattern changes
    /// nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut block = cmalloc::Block::malloc(5)?;
    /// block.fill(b"AB");
    /// // SAFETY: every byte has just been filled.
    /// assert_eq!(unsafe { block.as_slice() }, b"ABABA");
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub fn fill(&mut self, pattern: &[u8]) {
        // SAFETY: the block owns `len` bytes, and `pattern` is a slice.
        unsafe { fill(self.start.as_ptr(), self.len, pattern.as_ptr(), pattern.len(), 0) }
    }

    /// The number of the block's own bytes that lie in resident pages, asked of the system.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where the system cannot tell.
    pub fn resident_bytes(&self) -> io::Result<usize> {
        // SAFETY: the block's bytes are mapped as long as the block lives.
        unsafe { residency::resident_bytes(self.start.as_ptr(), self.len) }
    }

    /// Resizes the block with `realloc`, which may move it. The contents are kept up to the smaller
    /// length, new bytes are made resident and hold anything.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`malloc`](Self::malloc); length and contents are then as before.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut block = cmalloc::Block::calloc(10)?;
    /// block.resize(20)?;
    /// // SAFETY: only the bytes that were initialised are looked at.
    /// assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, [0; 10]);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub fn resize(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len == 0 || len > isize::MAX as usize {
            return Err(OutOfMemory::Allocator { requested: len });
        }
        if !debug::is_enabled() {
            return pool::or_give_up(|| self.reallocate(len));
        }
        // Taken out first: another thread may be given the old address as soon as it is free.
        let record = debug::suspend(self.start, "by resize()");
        let result = pool::or_give_up(|| self.reallocate(len));
        // SAFETY: the block is ours; after a success `reallocate` made room for a redzone.
        unsafe { debug::resume(record, self.start, self.len, result.is_ok()) };
        result
    }

    /// Resizes the block, and makes room for a redzone behind it in the debug mode.
    fn reallocate(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let old = self.len;
        // Some C libraries move a block all the same. In the debug mode there may be no redzone yet.
        if len == old && !debug::is_enabled() {
            return Ok(());
        }
        if len > old {
            budget::check(len - old)?;
        }
        let room = len.saturating_add(debug::redzone());
        // SAFETY: the block owns `start`, and `&mut self` says that nobody holds on to the old address.
        let Some(start) = (unsafe { placement::realloc(self.start, room) }) else {
            return Err(OutOfMemory::Allocator { requested: len });
        };
        self.start = start;
        if len < old {
            self.len = len;
            budget::refund(old - len);
            return Ok(());
        }
        self.grown_in_place(old, len).inspect_err(|_| self.shrink_back(old))
    }

    /// Resizes the block like [`resize`](Self::resize), but keeps it as it is, cut to `len`, where the
    /// allocator or the system cannot resize it. Returns whether that was so.
    ///
    /// `len` must be at least 1.
    #[cfg(feature = "napi")]
    pub(crate) fn resize_or_keep(&mut self, len: usize) -> bool {
        let failed = self.resize(len).is_err();
        if self.len > len {
            self.cut(len);
            if debug::is_enabled() {
                debug::shorten(self.start, len);
            }
        }
        failed
    }

    /// Shortens the block to `len` bytes, without a word to C: the others stay where they are, and resident.
    ///
    /// `len` must be at least 1, and at most what the block has.
    pub(crate) fn cut(&mut self, len: usize) {
        debug_assert!(len > 0 && len <= self.len);
        budget::refund(self.len - len);
        self.len = len;
    }

    /// Lengthens the block to `len` bytes where it is, if C says that it holds as many. They are resident then. Returns
    /// whether that is so.
    ///
    /// `len` must be at least what the block has. Not for the debug mode, in which its redzone is behind it.
    pub(crate) fn grow_in_place(&mut self, len: usize) -> bool {
        debug_assert!(len >= self.len);
        // SAFETY: the block is a live one of the C allocator.
        let fits = len == self.len || unsafe { os::usable_size(self.start) }.is_some_and(|held| held >= len);
        fits && self.grown_in_place(self.len, len).is_ok()
    }

    /// Zeroes the block, also if nobody looks at it any more before it is freed.
    pub(crate) fn wipe(&mut self) {
        // SAFETY: the block owns `len` bytes.
        unsafe { self.start.as_ptr().write_bytes(0, self.len) };
        // The optimiser knows `free`, and drops stores that only freed memory would show.
        black_box(self.start.as_ptr());
    }

    /// Whether the block is intact, as far as the [debug mode](crate::debug) can tell: always, if that is off.
    ///
    /// # Errors
    ///
    /// [`Corruption`] if somebody wrote past the block's end. It is reported on the standard error too, once.
    pub fn check(&self) -> Result<(), Corruption> {
        if debug::is_enabled() { debug::check(self.start, "by check()") } else { Ok(()) }
    }

    /// Gives the block away: it must now be freed with C's `free`, by whoever gets the address.
    ///
    /// # Examples
    ///
    /// ```
    /// let address = cmalloc::Block::malloc(10)?.into_raw();
    /// // SAFETY: the block came from C's `malloc`, and is nobody else's any more.
    /// unsafe { libc::free(address.as_ptr().cast()) };
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[must_use = "the block leaks unless it is freed"]
    pub fn into_raw(self) -> NonNull<u8> {
        let block = ManuallyDrop::new(self);
        if debug::is_enabled() {
            debug::release(block.start, "by release()");
        }
        budget::refund(block.len);
        block.start
    }

    /// Frees the block, as dropping it does, and tells whether it was intact.
    ///
    /// # Errors
    ///
    /// [`Corruption`] if the [debug mode](crate::debug) is on, and somebody wrote past the block's end. It
    /// is freed all the same.
    #[inline]
    pub fn free(self) -> Result<(), Corruption> {
        let block = ManuallyDrop::new(self);
        // SAFETY: the block is not dropped, nor used again.
        unsafe { block.end("by free()") }
    }

    /// # Safety
    ///
    /// This must be the block's end: it must not be used or dropped afterwards.
    #[inline]
    unsafe fn end(&self, found_by: &'static str) -> Result<(), Corruption> {
        let intact = if debug::is_enabled() { debug::retire(self.start, found_by) } else { Ok(()) };
        // SAFETY: the block is the only owner of `start`, and this is its end.
        unsafe { placement::free(self.start, self.len) };
        budget::refund(self.len);
        intact
    }

    /// Takes the block apart without freeing it; it stays in the books.
    #[cfg(feature = "napi")]
    pub(crate) fn into_parts(self) -> (NonNull<u8>, usize) {
        let block = ManuallyDrop::new(self);
        (block.start, block.len)
    }

    /// Puts a block together again.
    ///
    /// # Safety
    ///
    /// The parts must come from [`into_parts`](Self::into_parts), and be put together once.
    #[cfg(feature = "napi")]
    pub(crate) unsafe fn from_parts(start: NonNull<u8>, len: usize) -> Self {
        Self { start, len }
    }

    /// Enters the bytes from `old` to `len` into the books and makes them resident. The allocator
    /// gave them already. On an error `self.len` is still `old`, or what was charged.
    fn grown_in_place(&mut self, old: usize, len: usize) -> Result<(), OutOfMemory> {
        if len == old {
            return Ok(());
        }
        budget::charge(len - old)?;
        self.len = len;
        // SAFETY: the allocator gave the block `len` bytes; those from `old` on were never handed out.
        unsafe { touch(self.start, old, len, Contents::Fresh)? };
        if debug::is_enabled() {
            // SAFETY: likewise.
            unsafe { debug::paint(self.start.as_ptr().add(old), len - old) }
        }
        Ok(())
    }

    /// Takes back what [`grown_in_place`](Self::grown_in_place) could not make resident.
    fn shrink_back(&mut self, len: usize) {
        // SAFETY: the block owns `start` and is only held by us.
        if let Some(start) = unsafe { placement::realloc(self.start, len.saturating_add(debug::redzone())) } {
            self.start = start;
        }
        // Should the allocator have refused to shrink, then the block holds more than it says.
        budget::refund(self.len - len);
        self.len = len;
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this is the block's end.
        debug::count_untold(unsafe { self.end("as its memory was given back") });
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Block").field("start", &self.start).field("len", &self.len).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_os = "linux", not(miri)))]
    use crate::allocator;

    #[test]
    fn an_empty_pattern_changes_nothing() {
        let mut block = Block::calloc(10).unwrap();
        block.fill(b"");
        // SAFETY: `calloc` initialised every byte.
        assert_eq!(unsafe { block.as_slice() }, [0; 10]);
    }

    #[test]
    fn resize_keeps_the_contents() {
        let mut block = Block::malloc(100).unwrap();
        block.fill(b"0123456789");
        for len in [1000, 70_000, 10] {
            block.resize(len).unwrap();
            assert_eq!(block.len(), len);
            // SAFETY: the first ten bytes were filled and are kept.
            assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, b"0123456789");
        }
    }

    #[test]
    fn a_refused_resize_changes_nothing() {
        let mut block = Block::calloc(10).unwrap();
        let address = block.as_ptr();
        // Miri ends the process where an allocator would return NULL.
        let too_long = if cfg!(miri) { usize::MAX } else { isize::MAX as usize };
        for len in [0, too_long, usize::MAX] {
            assert!(block.resize(len).is_err());
            assert_eq!((block.as_ptr(), block.len()), (address, 10));
        }
    }

    #[test]
    fn lengths_that_no_block_can_have_are_refused() {
        for len in [0, isize::MAX as usize + 1, usize::MAX] {
            assert_eq!(Block::malloc(len).unwrap_err(), OutOfMemory::Allocator { requested: len });
            assert_eq!(Block::calloc(len).unwrap_err(), OutOfMemory::Allocator { requested: len });
        }
    }

    #[test]
    fn a_block_crosses_threads() {
        let mut block = Block::calloc(64).unwrap();
        let block = std::thread::spawn(move || {
            block.fill(b"x");
            block
        });
        let block = block.join().unwrap();
        // SAFETY: every byte has been filled.
        assert_eq!(unsafe { block.as_slice() }, [b'x'; 64]);
    }

    #[test]
    #[cfg(not(miri))]
    fn consume_keeps_the_contents_and_grows() {
        // SAFETY: `malloc` has no precondition; three bytes are written to a block of three.
        let foreign = unsafe {
            let foreign = NonNull::new(libc::malloc(3)).unwrap().cast::<u8>();
            foreign.as_ptr().copy_from_nonoverlapping(b"abc".as_ptr(), 3);
            foreign
        };
        // SAFETY: `foreign` is a live block of `malloc` that only this test knows.
        let Consumed { block, resize_failed } = unsafe { Block::consume(foreign, 1 << 20).unwrap() };
        assert!(!resize_failed);
        assert_eq!(block.len(), 1 << 20);
        // SAFETY: the first three bytes were initialised.
        assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 3) }, b"abc");
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn every_byte_is_resident_whatever_the_size() {
        let page = os::page_size();
        for len in [1, page - 1, page, page + 1, 65_535, 65_536, 300_001, 1 << 20, 40 << 20] {
            assert_eq!(Block::malloc(len).unwrap().resident_bytes().unwrap(), len, "malloc({len})");
            assert_eq!(Block::calloc(len).unwrap().resident_bytes().unwrap(), len, "calloc({len})");
            let mut block = Block::malloc(1).unwrap();
            block.resize(len).unwrap();
            assert_eq!(block.resident_bytes().unwrap(), len, "resize({len})");
        }
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn untouched_memory_is_not_resident() {
        let len = 40 << 20;
        let lazy = allocator::calloc(len).unwrap();
        // SAFETY: a mapped block of `len` bytes, freed once.
        let resident = unsafe { residency::resident_bytes(lazy.as_ptr(), len).unwrap() };
        // SAFETY: likewise.
        unsafe { allocator::free(lazy) };
        assert!(resident < len / 100, "{resident} of {len} bytes that nobody touched");
    }
}
