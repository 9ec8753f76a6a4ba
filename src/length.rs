//! [`BlockLen`]: a length that a block can have. This is the only place that checks it.

use crate::error::OutOfMemory;

/// A number of bytes from 1 to `isize::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockLen(usize);

impl BlockLen {
    /// A checked length, or the refusal if no block can be that long.
    #[inline]
    pub(crate) const fn new(len: usize) -> Result<Self, OutOfMemory> {
        if len == 0 || len > isize::MAX as usize {
            return Err(OutOfMemory::Allocator { requested: len });
        }
        Ok(Self(len))
    }

    /// The length of a block that has room for `more` bytes after these. A refusal names the length without `more`,
    /// which is what the caller asked for.
    #[inline]
    pub(crate) fn plus(self, more: usize) -> Result<Self, OutOfMemory> {
        Self::new(self.0.saturating_add(more)).map_err(|_| OutOfMemory::Allocator { requested: self.0 })
    }

    /// The number of bytes.
    #[inline]
    pub(crate) const fn get(self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_from_1_to_isize_max() {
        const MAX: usize = isize::MAX as usize;
        for len in [0, MAX + 1, usize::MAX] {
            assert_eq!(BlockLen::new(len), Err(OutOfMemory::Allocator { requested: len }));
        }
        assert_eq!([1, MAX].map(|len| BlockLen::new(len).map(BlockLen::get)), [Ok(1), Ok(MAX)]);
        assert_eq!(BlockLen(MAX - 64).plus(64), Ok(BlockLen(MAX)));
        for more in [65, usize::MAX] {
            assert_eq!(BlockLen(MAX - 64).plus(more), Err(OutOfMemory::Allocator { requested: MAX - 64 }));
        }
    }
}
