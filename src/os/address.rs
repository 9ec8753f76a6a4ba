//! [`InvalidAddress`]: what `validate_address` finds wrong.

/// Why no block of the C allocator can start at an address.
#[cfg_attr(any(miri, not(target_os = "linux")), expect(dead_code, reason = "only Linux can tell"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidAddress {
    /// The address is not mapped for reading and writing.
    NotWritable,
    /// The bytes before the address, where the block's size is kept, are not mapped for reading and writing.
    NoHeader,
    /// The size before the address is less than that of any block.
    TooSmall {
        /// The length of the block according to that size.
        len: usize,
    },
    /// The size before the address is one that does not fit into what is mapped.
    BadHeader {
        /// The length of the block according to that size.
        len: usize,
    },
}
