//! [`Alignment`]: what a block's address can be asked to be a multiple of.

/// A power of two, up to [`MAX`](Self::MAX), that a block's address is a multiple of. In bytes.
///
/// # Examples
///
/// ```
/// use cmalloc::Alignment;
///
/// assert_eq!(Alignment::new(16).map(Alignment::get), Some(16));
/// assert_eq!([0, 24, usize::MAX].map(Alignment::new), [None; 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alignment {
    log2: u8,
}

/// What every C allocator aligns its blocks to, whatever their length.
const MALLOC: usize = if cfg!(windows) { 16 } else { 8 };

impl Alignment {
    /// The largest there is: 4 GiB; with musl 1 GiB, and on Windows 16 bytes, as the C runtime's `free` takes no blocks
    /// but those of its `malloc`.
    pub const MAX: usize = if cfg!(target_env = "musl") {
        // Its aligned_alloc() keeps what an alignment leaves unused in an int. Where that is 2 GiB or more, it writes to
        // an address far behind its mapping (seen in 1.2.5).
        1 << 30
    } else if cfg!(unix) {
        1 << 32
    } else {
        MALLOC
    };

    /// An alignment of so many bytes; `None` if that is no power of two, or more than [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(bytes: usize) -> Option<Self> {
        if bytes.is_power_of_two() && bytes <= Self::MAX { Some(Self { log2: bytes.ilog2() as u8 }) } else { None }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> usize {
        1 << self.log2
    }

    pub(super) const fn log2(self) -> u8 {
        self.log2
    }

    /// Whether `malloc` aligns so by itself.
    pub(super) const fn is_malloc(self) -> bool {
        self.get() <= MALLOC
    }
}
