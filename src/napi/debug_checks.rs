//! What the debug mode refuses.

use std::ptr::NonNull;

use super::node_api::failure::{Failure, Outcome};
use super::state::slots::SlotRef;
use crate::debug;
use crate::os::{self, InvalidAddress};

/// Refuses what would move or give away a block past whose end somebody wrote.
#[inline]
pub(super) fn must_be_intact(slot: SlotRef<'_>, found_by: &'static str) -> Outcome<()> {
    if debug::is_enabled()
        && let Some((start, _)) = slot.parts()
    {
        debug::check(start, found_by)?;
    }
    Ok(())
}

/// Refuses an address at which there can be no block, as far as the system tells: before anybody looks at the memory there.
/// C's own look, `malloc_usable_size`, would follow what it finds.
pub(super) fn must_be_plausible(start: NonNull<u8>) -> Outcome<()> {
    if !debug::is_enabled() {
        return Ok(());
    }
    let address = start.as_ptr().addr();
    match os::validate_address(address) {
        Ok(()) => Ok(()),
        Err(InvalidAddress::NotWritable) => Err(Failure::bad_value(format!(
            "The address 0x{address:x} is not mapped and writable memory of this process, so that no block of malloc \
             can be there"
        ))),
        Err(InvalidAddress::NoHeader) => Err(Failure::bad_value(format!(
            "The address 0x{address:x} does not begin a block of malloc: the memory before it, where malloc keeps a block's \
             size, is not mapped and writable"
        ))),
        Err(InvalidAddress::TooSmall { len }) => Err(Failure::bad_value(format!(
            "The address 0x{address:x} does not begin a block of malloc: such a block would have {len} bytes, and none is so small"
        ))),
        Err(InvalidAddress::BadHeader { len }) => Err(Failure::bad_value(format!(
            "The address 0x{address:x} does not begin a block of malloc: such a block would have {len} bytes, not all of which \
             are mapped and writable memory of this process"
        ))),
    }
}
