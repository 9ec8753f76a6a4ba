//! [`Block`]: the owner of one run of bytes from C's `malloc` family.

use std::fmt;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::slice;

use zeroize::Zeroize;

use super::attributes::Attributes;
use super::init::Init;
use super::{lazy, secure};
use crate::debug::{self, Corruption};
use crate::error::OutOfMemory;
use crate::fill::fill;
use crate::length::BlockLen;
use crate::touch::touch;
use crate::{placement, reclaim, residency};

/// One run of bytes from C's `malloc`, all of it resident, freed with C's `free` when dropped.
///
/// A block is never empty, and only [`resize`](Self::resize) can move it. Use [`BlockOptions`](crate::BlockOptions) for
/// a block that is aligned, lazy or secure.
///
/// Its bytes may be uninitialised, as `malloc` leaves them. That is why they are reached through a pointer or as
/// [`MaybeUninit`], and why [`as_slice`](Self::as_slice) is unsafe.
///
/// Threads can send and share blocks. There is no `Clone`: a copy takes memory, which may be refused.
pub struct Block {
    pub(super) start: NonNull<u8>,
    pub(super) len: usize,
    pub(super) attributes: Attributes,
}

// SAFETY: a block is the only owner of its bytes, and memory of the C allocator may be used and freed in any thread.
unsafe impl Send for Block {}
// SAFETY: safe code can only read through `&Block`.
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
    /// [`OutOfMemory`] if the machine, its container, the set limit or the allocator does not have that much, or if
    /// `len` is 0 or more than `isize::MAX`.
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

    /// Allocates `len` zeroed bytes with `calloc` and makes them resident. Memory that the system has cleared is not
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
        Self::allocate(len, Init::ZERO, Attributes::PLAIN)
    }

    /// Allocates `len` bytes with `malloc`, makes them resident and sets each of them to `byte`. This takes less time
    /// than filling them afterwards.
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
        reclaim::retry(|| Self::allocate_at_once(len, init, attributes))
    }

    /// Like [`allocate`](Self::allocate), but a refusal is final: for callers that do the retry themselves.
    #[inline]
    pub(crate) fn allocate_at_once(len: usize, init: Init, attributes: Attributes) -> Result<Self, OutOfMemory> {
        // If touching is refused half-way, dropping this block gives everything back.
        let block = Self::obtain(len, init, attributes)?;
        if !attributes.is_lazy() {
            // SAFETY: the block was just made. It has `len` bytes, and nobody else knows them.
            unsafe { touch(block.start, 0, len, attributes.contents(init))? };
        } else if init == Init::ZERO {
            // SAFETY: as above.
            unsafe { lazy::zero(block.start, len) };
        }
        block.complete(init);
        Ok(block)
    }

    /// A block that has not been touched.
    #[inline]
    pub(crate) fn obtain(len: usize, init: Init, attributes: Attributes) -> Result<Self, OutOfMemory> {
        let len = BlockLen::new(len)?;
        let redzone = debug::redzone_len();
        let room = len.plus(redzone)?;
        attributes.charge(len.get())?;
        let allocated = match (attributes.alignment(), init) {
            (alignment, _) if attributes.is_secure() => secure::obtain(len, redzone, alignment.unwrap_or(1)),
            (Some(alignment), _) => placement::aligned(alignment, room).ok_or(null(len)),
            // Some `calloc`s write zeros where there are zeros already, which would make a lazy block resident.
            (None, Init::ZERO) if !attributes.is_lazy() => placement::calloc(room).ok_or(null(len)),
            (None, _) => placement::malloc(room).ok_or(null(len)),
        };
        let start = allocated.inspect_err(|_| attributes.refund(len.get()))?;
        Ok(Self { start, len: len.get(), attributes })
    }

    /// What the debug mode does as soon as the block is resident.
    #[inline]
    pub(crate) fn complete(&self, init: Init) {
        let redzone = debug::redzone_len();
        if redzone > 0 {
            let is_lazy = self.attributes.is_lazy();
            // SAFETY: the block was just made, with room for the redzone. Every method that moves or ends a block takes
            // its record out first.
            unsafe {
                if init == Init::Uninit && !is_lazy {
                    debug::paint(self.start.as_ptr(), self.len);
                }
                debug::admit(self.start, self.len, redzone, is_lazy);
            }
        }
    }

    /// Whether an address lies in the block.
    #[cfg(feature = "napi")]
    pub(crate) fn contains(&self, address: usize) -> bool {
        let start = self.start.addr().get();
        address >= start && address - start < self.len
    }

    /// Whether the block is aligned, lazy or secure.
    #[inline]
    pub(crate) fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The address of the first byte.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The address of the first byte. It is aligned as `malloc` aligns, or as
    /// [`BlockOptions::align`](crate::BlockOptions::align) asked.
    ///
    /// It is valid for reads and writes of [`len`](Self::len) bytes until the block is resized, given away or dropped.
    /// Do not write through it while a slice of the block exists, or while another thread uses the same bytes.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The number of bytes, exactly as asked for.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes, which may be uninitialised.
    #[must_use]
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the block owns `len` bytes from `start`, and they may be uninitialised.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }

    /// The bytes, to write to. They may be uninitialised.
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
        // SAFETY: the block owns `len` bytes from `start`, and they may be uninitialised. The slice borrows the block.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len) }
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// Every byte must have been initialised, as by [`zeroed`](Self::zeroed), [`filled`](Self::filled) or
    /// [`fill`](Self::fill). Nobody may write to the block through its address while the slice is alive.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the block owns `len` bytes from `start`. The caller promises that they are initialised.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes, to change them.
    ///
    /// # Safety
    ///
    /// As for [`as_slice`](Self::as_slice). Nobody may read the block through its address either.
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`. The slice borrows the block.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Repeats `pattern` over the whole block. The last repetition is cut off. An empty pattern changes nothing.
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
        // SAFETY: the block owns `len` bytes, and `pattern` is a slice. The phase is 0.
        unsafe { fill(self.start.as_ptr(), self.len, pattern.as_ptr(), pattern.len(), 0) }
    }

    /// Asks the system how many of the block's bytes lie in resident pages: from 0 to [`len`](Self::len). It is fewer
    /// than `len` if the system has swapped some of them out.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if the system cannot tell, otherwise the system's error.
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
        // SAFETY: the block's bytes are mapped while the block is alive.
        unsafe { residency::resident_bytes(self.start.as_ptr(), self.len) }
    }

    /// Zeroes the block. The compiler does not remove this, as it removes ordinary writes before memory is freed.
    pub(crate) fn wipe(&mut self) {
        self.as_uninit_mut().zeroize();
    }

    /// Checks whether the block is intact. Only the [debug mode](crate::debug) can find damage.
    ///
    /// # Errors
    ///
    /// [`Corruption`] if somebody wrote past the block's end. It is also reported on the standard error, once.
    pub fn check(&self) -> Result<(), Corruption> {
        if debug::is_enabled() { debug::check(self.start, "by check()") } else { Ok(()) }
    }

    /// Gives the block away. Whoever gets the address must free it with C's `free`.
    ///
    /// A secure block is then no longer locked, nor hidden from core dumps. It keeps its contents, of which a small one
    /// gets a copy at another address: wiping them is up to the new owner. If there is no memory for that copy, the
    /// process is aborted, as where Rust's own collections find none.
    ///
    /// # Examples
    ///
    /// ```
    /// let address = cmalloc::Block::malloc(10)?.into_raw();
    /// // SAFETY: the block came from C's `malloc`, and nobody else owns it now.
    /// unsafe { libc::free(address.as_ptr().cast()) };
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    #[must_use = "the block leaks unless it is freed"]
    pub fn into_raw(self) -> NonNull<u8> {
        let block = ManuallyDrop::new(self);
        if debug::is_enabled() {
            debug::release(block.start, "by release()");
        }
        block.attributes.refund(block.len);
        if block.attributes.is_secure() {
            // SAFETY: the block owns its bytes until it is given away here.
            return unsafe { secure::give_away(block.start, block.len) };
        }
        block.start
    }

    /// Frees the block, as dropping it does, and tells whether it was intact.
    ///
    /// # Errors
    ///
    /// [`Corruption`] if the [debug mode](crate::debug) is on and somebody wrote past the block's end. The block is
    /// freed nevertheless.
    #[inline]
    pub fn free(self) -> Result<(), Corruption> {
        let block = ManuallyDrop::new(self);
        // SAFETY: `ManuallyDrop` prevents the drop, and the block is not used again.
        unsafe { block.end("by free()") }
    }

    /// # Safety
    ///
    /// The block must not be used or dropped afterwards.
    #[inline]
    unsafe fn end(&self, found_by: &'static str) -> Result<(), Corruption> {
        let intact = if debug::is_enabled() { debug::retire(self.start, found_by) } else { Ok(()) };
        // SAFETY: the block owns its `len` bytes, and the caller does not use them again.
        unsafe {
            if self.attributes.is_secure() {
                secure::end(self.start, self.len);
            } else {
                placement::free(self.start, self.len);
            }
        }
        self.attributes.refund(self.len);
        intact
    }

    /// Takes the block apart without freeing it. Its bytes still count as live.
    #[cfg(feature = "napi")]
    #[inline]
    pub(crate) fn into_parts(self) -> (NonNull<u8>, usize, Attributes) {
        let block = ManuallyDrop::new(self);
        (block.start, block.len, block.attributes)
    }

    /// Makes a block from its parts again.
    ///
    /// # Safety
    ///
    /// The parts must come from [`into_parts`](Self::into_parts), and each result of it may be used only once.
    #[cfg(feature = "napi")]
    #[inline]
    pub(crate) unsafe fn from_parts(start: NonNull<u8>, len: usize, attributes: Attributes) -> Self {
        Self { start, len, attributes }
    }
}

/// The C allocator returned `NULL`.
fn null(len: BlockLen) -> OutOfMemory {
    OutOfMemory::Allocator { requested: len.get() }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a block that is dropped is not used again.
        debug::count_untold(unsafe { self.end("as its memory was given back") });
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Block").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}
