//! [`Init`]: what a new block holds.

/// What the bytes of a new block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// Whatever the memory holds.
    Uninit,
    /// This byte everywhere. Zeros come from `calloc`, which does not clear what is zero already.
    Byte(u8),
}

impl Init {
    /// Zero everywhere.
    pub(crate) const ZERO: Self = Self::Byte(0);
}
