//! [`Attributes`]: whether a block is aligned, lazy or secure.

use super::alignment::Alignment;
use super::init::Init;
use crate::budget;
use crate::error::OutOfMemory;
use crate::touch::Contents;

/// Whether a block is aligned, lazy or secure. Every block has one such byte, which never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(u8);

/// The base-2 logarithm of the alignment; 0 if `malloc` aligns enough.
const ALIGNMENT: u8 = 0b0011_1111;
const LAZY: u8 = 1 << 6;
const SECURE: u8 = 1 << 7;

impl Attributes {
    /// None of them.
    pub(crate) const PLAIN: Self = Self(0);

    /// The block starts at a multiple of `alignment`, also after a resize.
    pub(crate) const fn aligned(self, alignment: Alignment) -> Self {
        let log2 = if alignment.is_malloc() { 0 } else { alignment.log2() };
        Self(self.0 & !ALIGNMENT | log2)
    }

    /// The block's pages become resident on first use.
    pub(crate) const fn lazy(self, lazy: bool) -> Self {
        Self(if lazy { self.0 | LAZY } else { self.0 & !LAZY })
    }

    /// The block is locked in memory, left out of core dumps, and wiped before it is freed.
    pub(crate) const fn secure(self, secure: bool) -> Self {
        Self(if secure { self.0 | SECURE } else { self.0 & !SECURE })
    }

    #[inline]
    pub(crate) const fn is_plain(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) const fn is_lazy(self) -> bool {
        self.0 & LAZY != 0
    }

    #[inline]
    pub(crate) const fn is_secure(self) -> bool {
        self.0 & SECURE != 0
    }

    /// The alignment to ask for; `None` if `malloc` aligns enough.
    pub(super) fn alignment(self) -> Option<usize> {
        match self.0 & ALIGNMENT {
            0 => None,
            log2 => Some(1 << log2),
        }
    }

    /// What touching gives the bytes of a new block. No `calloc` aligns or locks, so the zeros of an aligned or secure
    /// block are written.
    #[inline]
    pub(crate) fn contents(self, init: Init) -> Contents {
        match init {
            Init::Byte(byte) if byte != 0 || self.alignment().is_some() || self.is_secure() => Contents::Byte(byte),
            Init::Byte(_) | Init::Uninit => Contents::Fresh,
        }
    }

    /// What a new block must hold before one of these attributes is copied into it. Zeros of a lazy one are not copied.
    pub(crate) const fn init_of_copy(self) -> Init {
        if self.is_lazy() { Init::ZERO } else { Init::Uninit }
    }

    /// Counts `len` more bytes as live, or refuses them. Only the set limit refuses a lazy block, which takes no memory
    /// yet.
    #[inline]
    pub(super) fn charge(self, len: usize) -> Result<(), OutOfMemory> {
        if self.is_lazy() { budget::charge_resident(len) } else { budget::charge(len) }
    }

    /// Counts `len` bytes less as live.
    #[inline]
    pub(super) fn refund(self, len: usize) {
        if self.is_lazy() { budget::refund_untouched(len) } else { budget::refund(len) }
    }

    /// The attributes as a byte, to keep them apart from the block.
    #[cfg(feature = "napi")]
    #[inline]
    pub(crate) const fn to_bits(self) -> u8 {
        self.0
    }

    /// The attributes from a byte that [`to_bits`](Self::to_bits) returned.
    #[cfg(feature = "napi")]
    #[inline]
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_what_is_asked_for() {
        let alignment = |bytes| Alignment::new(bytes).expect("an alignment");
        let plain = Attributes::PLAIN;
        assert!(plain.is_plain());
        assert_eq!(plain.aligned(alignment(8)), plain);
        assert_eq!(plain.lazy(true).lazy(false), plain);
        assert_eq!(plain.secure(true).secure(false), plain);
        assert!(plain.lazy(true).is_lazy() && !plain.lazy(true).is_plain());
        assert_eq!(plain.secure(true).alignment(), None);
        assert_eq!(plain.secure(true).contents(Init::ZERO), Contents::Byte(0));
        if Alignment::MAX > 1 << 16 {
            let aligned = plain.aligned(alignment(Alignment::MAX)).aligned(alignment(1 << 16));
            assert_eq!([aligned, aligned.secure(true)].map(Attributes::alignment), [Some(1 << 16); 2]);
            assert!(!aligned.is_plain());
        }
    }
}
