//! The debug mode: what a program pays for to learn what C code did to its blocks.
//!
//! Each block is followed by a **redzone** that nobody may write to, and there is a record of it. The
//! redzone is checked whenever the block is resized, released or freed; damage is reported on the
//! standard error, once. Memory that was freed, and memory that nobody has written to, holds a pattern.
//!
//! Off, each allocation and each free looks at one flag.

mod records;
mod redzone;
mod report;
#[cfg(feature = "napi")]
mod switch;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(feature = "napi")]
pub(crate) use records::{Live, check_all, live_blocks, note_allocation, shorten};
pub(crate) use records::{admit, check, paint, release, resume, retire, suspend};
pub use report::Corruption;
#[cfg(feature = "napi")]
pub(crate) use report::{Count, report, write_stack};
#[cfg(feature = "napi")]
pub(crate) use switch::enable_from_environment;

/// The bytes after each block that nobody may write to.
const REDZONE: usize = 64;

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Corruption that was reported on the standard error, and of which no caller was told.
static UNTOLD: AtomicUsize = AtomicUsize::new(0);

/// Switches the debug mode on, for the rest of the process. Blocks that exist already are not checked.
///
/// # Examples
///
/// ```
/// cmalloc::debug::enable();
/// let block = cmalloc::Block::malloc(3)?;
/// // SAFETY: a redzone follows the block; that nobody may write to it is what is shown here.
/// unsafe { block.as_ptr().add(3).write(0x41) };
/// let corruption = block.free().unwrap_err();
/// assert_eq!((corruption.len(), corruption.offset(), corruption.found()), (3, 3, 0x41));
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
pub fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// Whether the debug mode is on.
#[inline]
#[must_use]
pub fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// How long the redzone of a new block is: 0 unless the debug mode is on.
#[inline]
pub(crate) fn redzone() -> usize {
    if is_enabled() { REDZONE } else { 0 }
}

/// Counts corruption that a report told of, and nothing else.
pub(crate) fn count_untold(checked: Result<(), Corruption>) {
    if checked.is_err() {
        UNTOLD.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether there was corruption that only a report told of.
#[cfg(feature = "napi")]
pub(crate) fn any_untold() -> bool {
    UNTOLD.load(Ordering::Relaxed) > 0
}
