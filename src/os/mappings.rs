//! [`Mappings`]: what the system tells of the process's mappings.

/// How many mappings the process has, and how many it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mappings {
    /// `None` if the system does not tell.
    pub(crate) used: Option<usize>,
    pub(crate) limit: usize,
}
