//! [`Block`] and what belongs to it.

mod alignment;
mod attributes;
mod consume;
mod init;
mod lazy;
mod options;
mod owner;
mod resize;
mod secure;
#[cfg(test)]
mod tests;

pub use self::alignment::Alignment;
pub(crate) use self::attributes::Attributes;
pub use self::consume::Consumed;
pub(crate) use self::init::Init;
pub use self::options::BlockOptions;
pub use self::owner::Block;
#[cfg(feature = "napi")]
pub(crate) use self::secure::{holds as in_vault, wipe};
