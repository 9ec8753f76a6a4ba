//! The debug mode, which finds out what C code did to a program's blocks.
//!
//! A **redzone** follows each block: bytes that nobody may write to. A record is kept of each block. The redzone is
//! checked when the block is resized, given away or freed, and damage is reported on the standard error, once. Freed
//! memory and memory that nobody has written to hold a pattern.
//!
//! When it is off, each allocation and each free reads one flag.

mod records;
mod redzone;
mod report;
mod switch;

#[cfg(feature = "napi")]
pub(crate) use self::records::{Live, check_all, live_blocks, note_allocation, shorten};
pub(crate) use self::records::{admit, check, paint, redzone_len, release, resume, retire, suspend};
pub use self::report::Corruption;
pub(crate) use self::report::count_untold;
#[cfg(feature = "napi")]
pub(crate) use self::report::{Count, any_untold, report, write_stack};
#[cfg(feature = "napi")]
pub(crate) use self::switch::enable_from_environment;
pub use self::switch::{enable, is_enabled};
