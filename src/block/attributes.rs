//! [`Attributes`]: what is special about a block, for as long as it lives.

use super::{Alignment, Init};
use crate::{budget, os};

/// Whether a block is aligned, lazy or secure: one byte, which every block carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(u8);

/// The alignment's logarithm; 0 where that of `malloc` will do.
const ALIGNMENT: u8 = 0b0011_1111;
const LAZY: u8 = 1 << 6;
const SECURE: u8 = 1 << 7;

impl Attributes {
    /// Nothing special.
    pub(crate) const PLAIN: Self = Self(0);

    /// Starts on a multiple of `alignment`, also after a resize.
    pub(crate) const fn aligned(self, alignment: Alignment) -> Self {
        let log2 = if alignment.is_malloc() { 0 } else { alignment.log2() };
        Self(self.0 & !ALIGNMENT | log2)
    }

    /// Its pages come on first use.
    pub(crate) const fn lazy(self, lazy: bool) -> Self {
        Self(if lazy { self.0 | LAZY } else { self.0 & !LAZY })
    }

    /// Is locked in memory, left out of core dumps, and wiped at its end.
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

    /// The alignment that C is to be asked for; `None` if that of `malloc` will do. A secure block has pages of its
    /// own, as what is locked is whole pages, and once only.
    pub(super) fn alignment(self) -> Option<usize> {
        let asked = match self.0 & ALIGNMENT {
            0 => None,
            log2 => Some(1 << log2),
        };
        if self.is_secure() { Some(asked.unwrap_or(1).max(os::page_size())) } else { asked }
    }

    /// How many bytes C is to be asked for, for a block of `len` bytes and what follows it.
    #[inline]
    pub(super) fn room(self, len: usize, behind: usize) -> usize {
        let room = len.saturating_add(behind);
        if self.is_secure() {
            room.max(len.checked_next_multiple_of(os::page_size()).unwrap_or(usize::MAX))
        } else {
            room
        }
    }

    /// What a block holds into which another one of these attributes is to be copied. Of what is lazy zeros are not copied.
    pub(crate) const fn init_of_copy(self) -> Init {
        if self.is_lazy() { Init::Zero } else { Init::Uninit }
    }

    /// Enters `len` bytes into the books, or refuses them. What is lazy takes no memory yet: only the set limit counts.
    #[inline]
    pub(super) fn charge(self, len: usize) -> Result<(), crate::OutOfMemory> {
        if self.is_lazy() { budget::charge_resident(len) } else { budget::charge(len) }
    }

    /// Takes `len` bytes out of the books.
    #[inline]
    pub(super) fn refund(self, len: usize) {
        if self.is_lazy() { budget::refund_untouched(len) } else { budget::refund(len) }
    }

    /// The byte that these attributes are, for who keeps them apart from their block.
    #[cfg(feature = "napi")]
    #[inline]
    pub(crate) const fn to_bits(self) -> u8 {
        self.0
    }

    /// The attributes of a byte that [`to_bits`](Self::to_bits) gave.
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
        let page = os::page_size();
        let secure = plain.secure(true);
        assert_eq!((secure.alignment(), secure.room(1, 0), secure.room(page, 64)), (Some(page), page, page + 64));
        if Alignment::MAX > 1 << 16 {
            let aligned = plain.aligned(alignment(Alignment::MAX)).aligned(alignment(1 << 16));
            assert_eq!((aligned.alignment(), aligned.room(100, 64)), (Some(1 << 16), 164));
            assert_eq!(aligned.secure(true).alignment(), Some(page.max(1 << 16)));
            assert!(!aligned.is_plain());
        }
    }
}
