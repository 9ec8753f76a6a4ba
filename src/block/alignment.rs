//! [`Alignment`]: how a block can be aligned.

/// A power of two, up to [`MAX`](Self::MAX). The address of a block with this alignment is a multiple of it.
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

/// Every C allocator aligns each block to at least this, whatever its length.
const MALLOC: usize = if cfg!(windows) { 16 } else { 8 };

impl Alignment {
    /// The largest alignment in bytes: 4 GiB, or 1 GiB with musl. On Windows it is 16, because the C runtime's `free`
    /// takes only blocks of its `malloc`.
    pub const MAX: usize = if cfg!(target_env = "musl") {
        // The aligned_alloc() of musl 1.2.5 keeps the number of bytes that an alignment leaves unused in an int. If
        // that overflows, at 2 GiB, it writes to an address far outside its mapping.
        1 << 30
    } else if cfg!(unix) {
        1 << 32
    } else {
        MALLOC
    };

    /// An alignment of this many bytes; `None` if that is not a power of two, or more than [`MAX`](Self::MAX).
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

    /// Whether `malloc` always aligns to this.
    pub(super) const fn is_malloc(self) -> bool {
        self.get() <= MALLOC
    }
}
