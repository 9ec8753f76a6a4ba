//! The budget: how much memory is there, and the refusal when a request does not fit.
//!
//! Touching every page of a block that is too large does not fail: the system kills the process.
//! So the memory that is left is looked up first. The lookup reads a few files (some 50 µs), which
//! a small request must not pay: each thread gets an allowance with every lookup, and spends it.

use std::cell::Cell;

use crate::books::Books;
use crate::error::OutOfMemory;
use crate::os;

/// What must be left to the rest of the process besides a large request, which is populated in steps
/// while other processes may take memory as well.
const RESERVE: usize = 32 << 20;

/// What must be left besides any other request: a runtime needs memory of its own to go on, and a
/// container that is filled to the brim with small blocks ends it all the same.
const LEAST_RESERVE: usize = 16 << 20;

/// Requests from here on are always looked up, and are populated in steps. The C libraries map such
/// blocks anew each time, so that touching them costs far more than the lookup.
const LARGE: usize = 32 << 20;

/// The smallest step in which a large block is populated: what is touched between two lookups.
const STEP: usize = 8 << 20;

/// The most that a thread may take without a lookup.
const ALLOWANCE: usize = 64 << 20;

#[cfg(not(loom))]
static BOOKS: Books = Books::new();
#[cfg(loom)]
loom::lazy_static! {
    static ref BOOKS: Books = Books::new();
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
    /// What the last lookup granted.
    granted: Cell<usize>,
    /// What is left of it.
    left: Cell<usize>,
}

/// What the process's blocks use, and what is left. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// The length of all live blocks, and of those that a [`Pool`](crate::Pool) retains.
    pub live: usize,
    /// The highest that `live` ever was.
    pub peak: usize,
    /// The limit set with [`set_memory_limit`].
    pub limit: Option<usize>,
    /// What can still be made resident: of the machine and of every container above the process the
    /// least. `None` where the system does not tell.
    pub available: Option<u64>,
}

/// Looks up what the process's blocks use and what is left. What is left is asked of the system: that reads a few
/// files on Linux, which takes some 50 µs.
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
    Budget { live: BOOKS.live(), peak: BOOKS.peak(), limit: BOOKS.limit(), available: os::available_memory() }
}

/// Limits what all live blocks of the process may hold together, in bytes; `None` lifts the limit.
///
/// Blocks that exist already stay, even if they hold more. A request that would pass the limit is refused with
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
    BOOKS.set_limit(limit);
}

/// Enters `len` bytes into the books, or refuses them. Touches nothing.
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

/// Enters `len` bytes into the books that are resident already, or need not be; only the set limit can refuse them.
#[inline]
pub(crate) fn charge_resident(len: usize) -> Result<(), OutOfMemory> {
    BOOKS.enter(len)
}

/// Takes `len` bytes out of the books.
#[inline]
pub(crate) fn refund(len: usize) {
    BOOKS.leave(len);
    SPENDING.with(|spending| {
        spending.left.set(spending.left.get().saturating_add(len).min(spending.granted.get()));
    });
}

/// Takes `len` bytes out of the books that may never have been resident: what they leave, if anything, is not known.
#[inline]
pub(crate) fn refund_untouched(len: usize) {
    BOOKS.leave(len);
}

/// Whether the set limit would refuse `len` more bytes; nothing is entered.
pub(crate) fn check_limit(len: usize) -> Result<(), OutOfMemory> {
    BOOKS.check(len)
}

/// Whether `len` more bytes would be refused now; nothing is entered. Nothing more is never refused,
/// also if the limit was set below what is live.
pub(crate) fn check(len: usize) -> Result<(), OutOfMemory> {
    if len == 0 {
        return Ok(());
    }
    check_limit(len)?;
    available_for(len, reserve(len)).map(|_| ())
}

/// How much of a block of `len` bytes, of which `done` are touched, may be touched before the next
/// lookup.
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

/// The part of what is left that one thread takes without another look.
fn share(available: u64) -> usize {
    usize::try_from(available / 8).unwrap_or(usize::MAX)
}

/// What is left, if `len` bytes and the reserve fit into it; `None` if that is unknown.
fn available_for(len: usize, reserve: usize) -> Result<Option<u64>, OutOfMemory> {
    let Some(available) = os::available_memory() else { return Ok(None) };
    if fits(len, available, reserve).is_ok() {
        return Ok(Some(available));
    }
    // What was freed may be in the allocator's hands still, and count as used.
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
    #[cfg_attr(miri, ignore = "the memory that is left is unknown there")]
    fn a_refused_request_leaves_the_books_as_they_were() {
        let spent = SPENDING.with(|spending| spending.left.get());
        assert!(matches!(charge(isize::MAX as usize), Err(OutOfMemory::Machine { .. })));
        assert_eq!(SPENDING.with(|spending| spending.left.get()), spent);
    }

    #[test]
    fn nothing_more_is_never_refused() {
        assert_eq!(check(0), Ok(()));
    }

    #[test]
    fn refunds_never_raise_the_allowance_over_its_grant() {
        let spending = Spending::new();
        spending.grant(100);
        spending.left.set(40);
        SPENDING.with(|mine| {
            mine.grant(100);
            mine.left.set(40);
        });
        charge_resident(1000).unwrap();
        refund(1000);
        assert_eq!(SPENDING.with(|mine| mine.left.get()), 100);
    }

    #[test]
    #[cfg_attr(miri, ignore = "the memory that is left is unknown there")]
    fn a_large_block_is_touched_in_steps_and_a_small_one_in_one() {
        assert_eq!(step(LARGE - 1, 0), Ok(LARGE - 1));
        let available = os::available_memory().expect("known here");
        // Other tests come and go meanwhile: what fits does so by far, and what does not, neither.
        let huge = usize::try_from(available).unwrap() / 2;
        let first = step(huge, 0).expect("fits");
        assert!(first < huge && first >= STEP, "{first} of {huge}");
        assert_eq!(step(huge, huge - 1), Ok(1), "the last step of a large block is looked up, and fits");
        assert!(step(usize::try_from(available).unwrap() * 2, 0).is_err());
    }
}
