//! [`Block`]: the owner of one run of bytes from C's `malloc` family.

mod alignment;
mod attributes;
mod consume;
mod lazy;
mod options;
mod resize;
mod secure;

use std::fmt;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::slice;

use zeroize::Zeroize;

pub use self::alignment::Alignment;
pub(crate) use self::attributes::Attributes;
pub use self::consume::Consumed;
pub use self::options::BlockOptions;
#[cfg(feature = "napi")]
pub(crate) use self::secure::wipe;
use crate::debug::{self, Corruption};
use crate::error::OutOfMemory;
use crate::fill::fill;
use crate::touch::{Contents, touch};
use crate::{placement, pool, residency};

/// One run of bytes from C's `malloc`, all of it resident, freed with C's `free` when dropped.
///
/// A block is never empty, and never moves unless [`resize`](Self::resize) moves it. [`BlockOptions`] make one that is
/// aligned, lazy or secure.
///
/// Its bytes may be uninitialised, as `malloc` leaves them; that is why they are reached through a
/// pointer or as [`MaybeUninit`], and why [`as_slice`](Self::as_slice) is unsafe.
///
/// A block can be sent to other threads and shared by them. There is no `Clone`: a copy takes memory, which may be
/// refused.
pub struct Block {
    start: NonNull<u8>,
    len: usize,
    attributes: Attributes,
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
    /// What touching is to make of them, in a block of these attributes. There is no `calloc` that aligns.
    #[inline]
    pub(crate) fn contents(self, attributes: Attributes) -> Contents {
        match self {
            Self::Zero if attributes.alignment().is_some() => Contents::Byte(0),
            Self::Uninit | Self::Zero => Contents::Fresh,
            Self::Byte(byte) => Contents::Byte(byte),
        }
    }
}

// SAFETY: a block is the only owner of its bytes, and the C allocator's memory may be used and freed
// in any thread.
unsafe impl Send for Block {}
// SAFETY: through `&Block` safe code can read only.
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
        Self::allocate(len, Init::Uninit, Attributes::PLAIN)
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
    /// let block = cmalloc::Block::zeroed(100)?;
    /// // SAFETY: every byte is initialised.
    /// assert_eq!(unsafe { block.as_slice() }, [0; 100]);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[inline]
    pub fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        Self::allocate(len, Init::Zero, Attributes::PLAIN)
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
        Self::allocate(len, Init::Byte(byte), Attributes::PLAIN)
    }

    #[inline]
    pub(crate) fn allocate(len: usize, init: Init, attributes: Attributes) -> Result<Self, OutOfMemory> {
        pool::or_give_up(|| Self::allocate_at_once(len, init, attributes))
    }

    /// [`allocate`](Self::allocate) for who has pools give up what they retain if this is refused.
    #[inline]
    pub(crate) fn allocate_at_once(len: usize, init: Init, attributes: Attributes) -> Result<Self, OutOfMemory> {
        // From here on the block gives back what it holds, should touching it be refused half-way.
        let block = Self::obtain(len, init, attributes)?;
        if !attributes.is_lazy() {
            // SAFETY: the block was just made: it has `len` bytes that nobody else knows of.
            unsafe { touch(block.start, 0, len, init.contents(attributes))? };
        } else if init == Init::Zero {
            // SAFETY: likewise.
            unsafe { lazy::zero(block.start, len) };
        }
        block.complete(init);
        Ok(block)
    }

    /// A block that has not been touched.
    #[inline]
    pub(crate) fn obtain(len: usize, init: Init, attributes: Attributes) -> Result<Self, OutOfMemory> {
        if len == 0 || len > isize::MAX as usize {
            return Err(OutOfMemory::Allocator { requested: len });
        }
        attributes.charge(len)?;
        let room = attributes.room(len, debug::redzone());
        let allocated = match (attributes.alignment(), init) {
            (Some(alignment), _) => placement::aligned(alignment, room),
            // Some clear what need not be cleared.
            (None, Init::Zero) if !attributes.is_lazy() => placement::calloc(room),
            (None, _) => placement::malloc(room),
        };
        let Some(start) = allocated else {
            attributes.refund(len);
            return Err(OutOfMemory::Allocator { requested: len });
        };
        let block = Self { start, len, attributes };
        if attributes.is_secure() {
            // SAFETY: the block was just made. Before anybody writes a secret into it.
            unsafe {
                secure::hide(start, len)?;
                secure::lock(start, len)?;
            }
        }
        Ok(block)
    }

    /// What is to be done in the debug mode as soon as the block is resident.
    #[inline]
    pub(crate) fn complete(&self, init: Init) {
        let redzone = debug::redzone();
        if redzone > 0 {
            let is_lazy = self.attributes.is_lazy();
            // SAFETY: the block was just made, with room for the redzone; every method that moves or ends it tells.
            unsafe {
                if init == Init::Uninit && !is_lazy {
                    debug::paint(self.start.as_ptr(), self.len);
                }
                debug::admit(self.start, self.len, redzone, is_lazy);
            }
        }
    }

    /// What is special about the block.
    #[inline]
    pub(crate) fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The address of the first byte.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The address of the first byte, aligned as `malloc` aligns, or as [`BlockOptions::align`] asked.
    ///
    /// It is good for reads and writes of [`len`](Self::len) bytes until the block is resized, given away or dropped, as
    /// long as there is no slice of the block that these writes would change, nor another thread that uses these bytes.
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

    /// The bytes, of which none need be initialised.
    #[must_use]
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the block owns `len` bytes from `start`, of which nothing is claimed.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }

    /// The bytes, to be written to. None need be initialised.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut block = cmalloc::Block::malloc(3)?;
    /// for (place, byte) in block.as_uninit_mut().iter_mut().zip(*b"abc") {
    ///     place.write(byte);
    /// }
    /// // SAFETY: each of the three bytes was written.
    /// assert_eq!(unsafe { block.as_slice() }, b"abc");
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[must_use]
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the block owns `len` bytes from `start`, of which nothing is claimed, and is borrowed for as long.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len) }
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// Every byte must have been initialised, as by [`zeroed`](Self::zeroed), [`filled`](Self::filled) or
    /// [`fill`](Self::fill), and nobody may write to the block through its address as long as the slice lives.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the block owns `len` bytes from `start`; the caller vouches for their contents.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes, to be changed.
    ///
    /// # Safety
    ///
    /// As for [`as_slice`](Self::as_slice); nobody may read the block through its address either.
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`; the block is borrowed for as long.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
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

    /// The number of the block's own bytes that lie in resident pages, asked of the system: from 0 to
    /// [`len`](Self::len). It may be less than the latter once the system has swapped.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where the system cannot tell; otherwise what the system answered.
    ///
    /// # Examples
    ///
    /// ```
    /// let block = cmalloc::Block::malloc(1 << 20)?;
    /// match block.resident_bytes() {
    ///     Ok(bytes) => assert_eq!(bytes, block.len()),
    ///     Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::Unsupported),
    /// }
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub fn resident_bytes(&self) -> io::Result<usize> {
        // SAFETY: the block's bytes are mapped as long as the block lives.
        unsafe { residency::resident_bytes(self.start.as_ptr(), self.len) }
    }

    /// Zeroes the block, also if nobody looks at it any more before it is freed.
    ///
    /// The optimiser knows `free`, and would drop stores that only freed memory would show.
    pub(crate) fn wipe(&mut self) {
        self.as_uninit_mut().zeroize();
    }

    /// Looks whether the block is intact, as far as the [debug mode](crate::debug) can tell: always, if that is off.
    ///
    /// # Errors
    ///
    /// [`Corruption`] if somebody wrote past the block's end. It is reported on the standard error too, once.
    pub fn check(&self) -> Result<(), Corruption> {
        if debug::is_enabled() { debug::check(self.start, "by check()") } else { Ok(()) }
    }

    /// Gives the block away: it must now be freed with C's `free`, by whoever gets the address.
    ///
    /// One that was secure is neither locked nor hidden from then on. It keeps its contents: to wipe it is up to them.
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
        if block.attributes.is_secure() {
            // SAFETY: the block's pages are its own until it is given away below.
            unsafe { secure::expose(block.start, 0, block.len) };
        }
        block.attributes.refund(block.len);
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
        if self.attributes.is_secure() {
            // SAFETY: the block is the only owner of its bytes and pages, and this is their end.
            unsafe {
                secure::wipe(self.start, self.len);
                secure::expose(self.start, 0, self.len);
            }
        }
        // SAFETY: likewise.
        unsafe { placement::free(self.start, self.len) };
        self.attributes.refund(self.len);
        intact
    }

    /// Takes the block apart without freeing it; it stays in the books.
    #[cfg(feature = "napi")]
    #[inline]
    pub(crate) fn into_parts(self) -> (NonNull<u8>, usize, Attributes) {
        let block = ManuallyDrop::new(self);
        (block.start, block.len, block.attributes)
    }

    /// Puts a block together again.
    ///
    /// # Safety
    ///
    /// The parts must come from [`into_parts`](Self::into_parts), and be put together once.
    #[cfg(feature = "napi")]
    #[inline]
    pub(crate) unsafe fn from_parts(start: NonNull<u8>, len: usize, attributes: Attributes) -> Self {
        Self { start, len, attributes }
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
        out.debug_struct("Block").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
