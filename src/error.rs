//! [`OutOfMemory`]: why a request for memory was refused.

use std::{fmt, io};

/// Why a request for memory was refused. Every number is in bytes, except those of [`Mappings`](Self::Mappings).
///
/// The call that returned it changed nothing, and has given back what memory it had taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutOfMemory {
    /// The C allocator returned `NULL`: because of a limit of the process's address space (`ulimit -v`), of its data
    /// (`ulimit -d`) or of its mappings (`vm.max_map_count`), or because no addresses are left. Or no block can have
    /// the requested length.
    Allocator {
        /// The requested length.
        requested: usize,
    },
    /// The machine, or a container above the process, does not have that much left.
    Machine {
        /// How much was still to be made resident.
        requested: usize,
        /// How much is left: [`Budget::available`](crate::Budget::available).
        available: u64,
        /// How much of that is kept for the rest of the process.
        reserve: usize,
    },
    /// A secure block cannot be locked in memory, or cannot be left out of core dumps.
    Lock {
        /// How many bytes were to be locked.
        requested: usize,
        /// How many bytes the process may lock (`RLIMIT_MEMLOCK`); `None` if there is no limit.
        limit: Option<u64>,
        /// The system's error; [`Unsupported`](std::io::ErrorKind::Unsupported) if the system cannot do this at all.
        reason: io::ErrorKind,
    },
    /// The process has nearly as many mappings as it may have, and a secure block would need more. Only Linux has this
    /// limit.
    Mappings {
        /// The requested length.
        requested: usize,
        /// How many mappings the process has.
        used: usize,
        /// How many it may have (`vm.max_map_count`). An eighth of them is kept for the rest of the process.
        limit: usize,
    },
    /// The limit set with [`set_memory_limit`](crate::set_memory_limit) would be exceeded.
    Limit {
        /// The requested length.
        requested: usize,
        /// How much live blocks hold already.
        live: usize,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocator { requested } => write!(
                out,
                "cannot allocate {requested} bytes: the C allocator returned NULL. \
                 Ask for less, or raise the limit that the process has met: of its address space (ulimit -v), its data \
                 (ulimit -d) or its mappings (vm.max_map_count)"
            ),
            Self::Machine { requested, available, reserve } => write!(
                out,
                "cannot make {requested} bytes resident: the machine and its container have {available} bytes left, \
                 of which {reserve} are kept for the rest of the process. \
                 Free blocks, ask for less, or raise the container's memory limit"
            ),
            Self::Lock { reason: io::ErrorKind::Unsupported, .. } => {
                write!(
                    out,
                    "cannot make a secure block: this system does not lock memory and leave it out of core dumps"
                )
            }
            Self::Lock { requested, reason: io::ErrorKind::PermissionDenied, .. } => write!(
                out,
                "cannot lock {requested} bytes in memory and leave them out of core dumps: the system forbids it \
                 (EPERM). Have the sandbox allow mlock and madvise, or give the process a lock limit (ulimit -l) or \
                 CAP_IPC_LOCK"
            ),
            Self::Lock {
                requested,
                limit: Some(limit),
                reason: io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock,
            } => {
                write!(
                    out,
                    "cannot lock {requested} bytes in memory: the process may lock {limit} bytes in all. \
                     Free secure blocks, ask for less, or raise that limit (ulimit -l)"
                )
            }
            Self::Lock { requested, reason, .. } => write!(
                out,
                "cannot lock {requested} bytes in memory: the system answered \"{reason}\". \
                 Free secure blocks, or make fewer and larger ones"
            ),
            Self::Mappings { requested, used, limit } => write!(
                out,
                "cannot make a secure block of {requested} bytes: the process has {used} of the {limit} mappings that \
                 it may have, and needs the rest for itself. Free secure blocks, put many secrets into one, or raise \
                 vm.max_map_count"
            ),
            Self::Limit { requested, live, limit } => write!(
                out,
                "cannot allocate {requested} bytes: {live} of the set limit of {limit} bytes are in use. \
                 Free blocks, ask for less, or raise the memory limit"
            ),
        }
    }
}

impl std::error::Error for OutOfMemory {}

/// For functions that do I/O with a block. The kind is [`io::ErrorKind::OutOfMemory`], or
/// [`Unsupported`](io::ErrorKind::Unsupported) if the system has no secure blocks.
///
/// # Examples
///
/// ```
/// use std::io::{self, Read};
///
/// fn read(from: &mut impl Read, len: usize) -> io::Result<cmalloc::Block> {
///     let mut block = cmalloc::Block::zeroed(len)?;
///     // SAFETY: every byte is initialised.
///     from.read_exact(unsafe { block.as_mut_slice() })?;
///     Ok(block)
/// }
///
/// assert_eq!(read(&mut b"text".as_slice(), 4)?.len(), 4);
/// assert_eq!(read(&mut io::empty(), 0).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
/// # io::Result::Ok(())
/// ```
impl From<OutOfMemory> for io::Error {
    fn from(refusal: OutOfMemory) -> Self {
        let kind = match refusal {
            OutOfMemory::Lock { reason: io::ErrorKind::Unsupported, .. } => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::OutOfMemory,
        };
        Self::new(kind, refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_keeps_the_refusal() {
        let kind = |refusal: OutOfMemory| {
            let error = io::Error::from(refusal);
            assert_eq!(error.get_ref().and_then(|inner| inner.downcast_ref()), Some(&refusal));
            error.kind()
        };
        let lock = |reason| OutOfMemory::Lock { requested: 1, limit: None, reason };
        assert_eq!(kind(OutOfMemory::Allocator { requested: 1 }), io::ErrorKind::OutOfMemory);
        assert_eq!(kind(lock(io::ErrorKind::PermissionDenied)), io::ErrorKind::OutOfMemory);
        assert_eq!(kind(lock(io::ErrorKind::Unsupported)), io::ErrorKind::Unsupported);
    }
}
