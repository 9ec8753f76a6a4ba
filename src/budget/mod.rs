//! The budget: how much memory there is, and the refusal of a request that does not fit.
//!
//! If a process touches more pages than the system has, the touch does not fail: the system kills the process. So the
//! memory that is left is looked up first. A lookup reads a few files, which takes some 50 µs: too long for a small
//! request. Therefore each lookup gives the thread an allowance, which its later requests use up.

mod accounting;
pub(crate) mod mappings;

use std::cell::Cell;

use self::accounting::Accounting;
use crate::error::OutOfMemory;
use crate::os;

/// How much a large request must leave for the rest of the process. It is touched in steps, while other processes may
/// take memory too.
const RESERVE: usize = 32 << 20;

/// How much any other request must leave. A language runtime needs memory of its own to go on, and many small blocks
/// can fill a container just as one large block can.
const LEAST_RESERVE: usize = 16 << 20;

/// Requests of this length or more always need a lookup, and are touched in steps. C libraries map each such block
/// anew, so touching it takes far longer than the lookup.
const LARGE: usize = 32 << 20;

/// The shortest step in which a large block is touched. There is a lookup before each step.
const STEP: usize = 8 << 20;

/// The most that a thread may use up without a lookup.
const ALLOWANCE: usize = 64 << 20;

#[cfg(not(loom))]
static ACCOUNTING: Accounting = Accounting::new();
#[cfg(loom)]
loom::lazy_static! {
    static ref ACCOUNTING: Accounting = Accounting::new();
}

#[cfg(not(loom))]
thread_local! {
    static SPENDING: Spending = const { Spending::new() };
}
#[cfg(loom)]
loom::thread_local! {
    static SPENDING: Spending = Spending::new();
}

/// A thread's allowance.
struct Spending {
    /// How much the last lookup granted.
    granted: Cell<usize>,
    /// How much of it is left.
    left: Cell<usize>,
}

/// How much memory the process's blocks use, and how much is left. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// The total length of all live blocks, and of the blocks that a [`Pool`](crate::Pool) retains.
    pub live: usize,
    /// The highest value that `live` has had.
    pub peak: usize,
    /// The limit set with [`set_memory_limit`].
    pub limit: Option<usize>,
    /// How much can still be made resident: what the machine or a container above the process has left, whichever is
    /// least. `None` if the system does not tell.
    pub available: Option<u64>,
}

/// Looks up how much memory the process's blocks use, and how much is left. On Linux that takes some 50 µs.
///
/// # Examples
///
/// ```
/// let before = cmalloc::budget().live;
/// let block = cmalloc::Block::malloc(1000)?;
/// assert_eq!(cmalloc::budget().live, before + 1000);
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
#[must_use]
pub fn budget() -> Budget {
    Budget {
        live: ACCOUNTING.live(),
        peak: ACCOUNTING.peak(),
        limit: ACCOUNTING.limit(),
        available: os::available_memory(),
    }
}

/// Limits how many bytes all live blocks of the process may hold together; `None` removes the limit.
///
/// Existing blocks stay, even if they hold more. A request that would exceed the limit is refused with
/// [`OutOfMemory::Limit`].
///
/// # Examples
///
/// ```standalone_crate
/// use cmalloc::{Block, OutOfMemory, set_memory_limit};
///
/// set_memory_limit(Some(1000));
/// let block = Block::malloc(600)?;
/// let refusal = Block::malloc(600).unwrap_err();
/// assert_eq!(refusal, OutOfMemory::Limit { requested: 600, live: 600, limit: 1000 });
/// set_memory_limit(None);
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
pub fn set_memory_limit(limit: Option<usize>) {
    ACCOUNTING.set_limit(limit);
}

/// Counts `len` more bytes as live, or refuses them. Touches nothing.
#[inline]
pub(crate) fn charge(len: usize) -> Result<(), OutOfMemory> {
    SPENDING.with(|spending| {
        if len < LARGE && len <= spending.left.get() {
            charge_resident(len)?;
            spending.left.set(spending.left.get() - len);
            return Ok(());
        }
        check_limit(len)?;
        spending.look_up(len)?;
        charge_resident(len)
    })
}

/// Counts `len` more bytes as live that are resident already, or need not be. Only the set limit can refuse them.
#[inline]
pub(crate) fn charge_resident(len: usize) -> Result<(), OutOfMemory> {
    ACCOUNTING.charge(len)
}

/// Counts `len` bytes less as live.
#[inline]
pub(crate) fn refund(len: usize) {
    ACCOUNTING.refund(len);
    SPENDING.with(|spending| {
        spending.left.set(spending.left.get().saturating_add(len).min(spending.granted.get()));
    });
}

/// Counts `len` bytes less as live that may never have been resident. The allowance stays, as it is unknown how much
/// memory they set free.
#[inline]
pub(crate) fn refund_untouched(len: usize) {
    ACCOUNTING.refund(len);
}

/// Fails if the set limit would refuse `len` more bytes. Counts nothing.
pub(crate) fn check_limit(len: usize) -> Result<(), OutOfMemory> {
    ACCOUNTING.check(len)
}

/// Fails if `len` more bytes would be refused now. Counts nothing. 0 more bytes are never refused, even if the limit is
/// lower than what is live.
pub(crate) fn check(len: usize) -> Result<(), OutOfMemory> {
    if len == 0 {
        return Ok(());
    }
    check_limit(len)?;
    available_for(len, reserve(len)).map(|_| ())
}

/// How much of a block of `len` bytes may be touched before the next lookup. `done` bytes of it are touched already.
#[inline]
pub(crate) fn step(len: usize, done: usize) -> Result<usize, OutOfMemory> {
    let remaining = len - done;
    if len < LARGE {
        return Ok(remaining);
    }
    let Some(available) = available_for(remaining, RESERVE)? else { return Ok(remaining) };
    Ok(remaining.min(STEP.max(share(available - RESERVE as u64))))
}

impl Spending {
    const fn new() -> Self {
        Self { granted: Cell::new(0), left: Cell::new(0) }
    }

    #[cold]
    fn look_up(&self, len: usize) -> Result<(), OutOfMemory> {
        let Some(available) = available_for(len, reserve(len))? else {
            self.grant(usize::MAX);
            return Ok(());
        };
        self.grant(share((available - len as u64).saturating_sub(RESERVE as u64)).min(ALLOWANCE));
        Ok(())
    }

    fn grant(&self, bytes: usize) {
        self.granted.set(bytes);
        self.left.set(bytes);
    }
}

/// The part of the memory left that one thread may use up without another lookup.
fn share(available: u64) -> usize {
    usize::try_from(available / 8).unwrap_or(usize::MAX)
}

/// How much memory is left, if `len` bytes and the reserve fit into it; `None` if that is unknown.
fn available_for(len: usize, reserve: usize) -> Result<Option<u64>, OutOfMemory> {
    let Some(available) = os::available_memory() else { return Ok(None) };
    if fits(len, available, reserve).is_ok() {
        return Ok(Some(available));
    }
    // The allocator may still keep memory that was freed, which then counts as used.
    os::trim();
    let Some(available) = os::available_memory() else { return Ok(None) };
    fits(len, available, reserve).map(|()| Some(available))
}

fn reserve(len: usize) -> usize {
    len.clamp(LEAST_RESERVE, RESERVE)
}

fn fits(requested: usize, available: u64, reserve: usize) -> Result<(), OutOfMemory> {
    if available < requested as u64 + reserve as u64 {
        return Err(OutOfMemory::Machine { requested, available, reserve });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_must_leave_the_reserve() {
        assert_eq!(fits(100, 132, 32), Ok(()));
        assert_eq!(fits(100, 131, 32), Err(OutOfMemory::Machine { requested: 100, available: 131, reserve: 32 }));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know how much memory is left")]
    fn a_refused_request_leaves_the_allowance_as_it_was() {
        let spent = SPENDING.with(|spending| spending.left.get());
        assert!(matches!(charge(isize::MAX as usize), Err(OutOfMemory::Machine { .. })));
        assert_eq!(SPENDING.with(|spending| spending.left.get()), spent);
    }

    #[test]
    fn zero_bytes_are_never_refused() {
        assert_eq!(check(0), Ok(()));
    }

    #[test]
    fn refunds_never_raise_the_allowance_above_its_grant() {
        SPENDING.with(|mine| {
            mine.grant(100);
            mine.left.set(40);
        });
        charge_resident(1000).unwrap();
        refund(1000);
        assert_eq!(SPENDING.with(|mine| mine.left.get()), 100);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know how much memory is left")]
    fn a_large_block_is_touched_in_steps_and_a_small_one_in_one() {
        assert_eq!(step(LARGE - 1, 0), Ok(LARGE - 1));
        let available = os::available_memory().expect("known here");
        // Other tests use memory meanwhile, so the lengths are far from the limit on both sides.
        let huge = usize::try_from(available).unwrap() / 2;
        let first = step(huge, 0).expect("fits");
        assert!(first < huge && first >= STEP, "{first} of {huge}");
        assert_eq!(step(huge, huge - 1), Ok(1), "the last step of a large block has a lookup too, and fits");
        assert!(step(usize::try_from(available).unwrap() * 2, 0).is_err());
    }
}
