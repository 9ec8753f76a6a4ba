//! [`Pool`]: retains blocks that are given back, and hands them out again.
//!
//! A retained block is as long as its **class**, so that it fits every request of that class. When it is handed out, it
//! is cut to the requested length: the rest stays allocated and resident, but does not count as live. When it comes
//! back, it is lengthened to its class again, if it still holds that many bytes according to C.
//!
//! No lock is held while blocks are allocated, touched or freed.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::block::{Alignment, Attributes, Block, Init};
use crate::debug;
use crate::error::OutOfMemory;
use crate::length::BlockLen;
use crate::reclaim::{self, Retainer};

/// The shortest default class.
const SMALLEST_CLASS: usize = 64;

/// Retains blocks that are given back, and hands them out again. They stay resident meanwhile.
///
/// What a pool retains counts as live in [`budget`](crate::budget()). It is freed before any request of the process is
/// refused for want of memory. In the [debug mode](crate::debug) a pool retains nothing, so that a use after the end of
/// a block is found.
///
/// # Examples
///
/// ```
/// use cmalloc::{Pool, PoolOptions};
///
/// let pool = Pool::new(PoolOptions { retain_bytes: 1 << 20, ..PoolOptions::default() });
/// let first = pool.malloc(4096)?;
/// # #[cfg(not(miri))]
/// let address = first.as_ptr();
/// pool.give_back(first);
/// # #[cfg(not(miri))]
/// assert_eq!(pool.malloc(4096)?.as_ptr(), address);
/// # Ok::<(), cmalloc::OutOfMemory>(())
/// ```
pub struct Pool {
    options: PoolOptions,
    state: Mutex<State>,
}

/// The options of a [`Pool`].
#[derive(Clone, Debug, Default)]
pub struct PoolOptions {
    /// How many bytes the pool may retain. Each retained block is as long as its class.
    pub retain_bytes: usize,
    /// The classes: the lengths in bytes that retained blocks have. A block for a longer request is not retained. If
    /// this is empty, the classes are the powers of two and three lengths between each and the next, so that a block is
    /// at most a quarter longer than the request.
    pub classes: Vec<usize>,
    /// Whether blocks are zeroed when they come back.
    pub scrub: bool,
    /// What the addresses of the pool's blocks are multiples of; what `malloc` aligns to if this is `None`.
    pub align: Option<Alignment>,
}

/// What a pool has done, and what it retains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// How many requests got a retained block.
    pub hits: u64,
    /// How many requests got a new block.
    pub misses: u64,
    /// How many blocks are retained.
    pub retained_blocks: usize,
    /// How many bytes they have.
    pub retained_bytes: usize,
}

#[derive(Default)]
struct State {
    /// The retained blocks of each class, in the order in which they came. The last one is handed out next.
    classes: BTreeMap<usize, VecDeque<Retained>>,
    /// How many blocks have come, which is the number of the next one.
    count: u64,
    stats: PoolStats,
    closed: bool,
}

struct Retained {
    block: Block,
    number: u64,
    since: Instant,
}

impl Pool {
    /// Makes an empty pool. It is in an [`Arc`] because the process also refers to it: to free what it retains before a
    /// request is refused. What it retains is freed when the last `Arc` is dropped.
    #[must_use]
    pub fn new(mut options: PoolOptions) -> Arc<Self> {
        options.classes.sort_unstable();
        let pool = Arc::new(Self { options, state: Mutex::default() });
        let weak: Weak<Self> = Arc::downgrade(&pool);
        reclaim::register(weak);
        pool
    }

    /// A block of `len` bytes, at least 1, whose contents are undefined: a retained one, or else a new one. The caller
    /// owns it, and may [give it back](Self::give_back), but need not.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn malloc(&self, len: usize) -> Result<Block, OutOfMemory> {
        self.allocate(len, Init::Uninit)
    }

    /// A block of `len` zeroed bytes.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    pub fn zeroed(&self, len: usize) -> Result<Block, OutOfMemory> {
        self.allocate(len, Init::ZERO)
    }

    pub(crate) fn allocate(&self, len: usize, init: Init) -> Result<Block, OutOfMemory> {
        BlockLen::new(len)?;
        let class = self.class_of(len);
        if let Some(mut block) = class.and_then(|class| self.take(class)) {
            block.cut(len);
            match init {
                Init::Uninit => {}
                // It was zeroed when it came back.
                Init::ZERO if self.options.scrub => {}
                Init::Byte(byte) => block.fill(&[byte]),
            }
            return Ok(block);
        }
        let block =
            match class.filter(|class| *class > len).map(|class| Block::allocate(class, init, self.attributes())) {
                Some(Ok(mut block)) => {
                    block.cut(len);
                    block
                }
                // If there is no room for the whole class, there may be for the requested length.
                Some(Err(_)) | None => Block::allocate(len, init, self.attributes())?,
            };
        self.state().stats.misses += 1;
        Ok(block)
    }

    /// Retains a block for the next request of its class. It need not come from this pool. The blocks that were
    /// retained for longest are freed to make room. The block itself is freed if it is longer than what may be
    /// retained, if it does not hold as many bytes as its class, or if it was made with other options than the pool's.
    pub fn give_back(&self, block: Block) {
        drop(self.take_back(block));
    }

    /// Like [`give_back`](Self::give_back), but returns the block if it is not retained, for the caller to free.
    pub(crate) fn take_back(&self, mut block: Block) -> Option<Block> {
        // In the debug mode the block has a redzone, and freeing it checks and poisons it.
        if debug::is_enabled() || !self.options.scrub && self.is_closed() {
            return Some(block);
        }
        // The next owner expects a block like those that the pool makes.
        let class = self.class_of(block.len()).filter(|_| block.attributes() == self.attributes());
        let class = class.filter(|class| block.grow_in_place(*class));
        if self.options.scrub {
            // Also if it is not retained, as C would hand its memory out again.
            block.wipe();
        }
        let Some(class) = class else { return Some(block) };
        let mut state = self.state();
        if state.closed {
            return Some(block);
        }
        let evicted = state.evict(self.options.retain_bytes - class);
        state.put(class, block);
        drop(state);
        drop(evicted);
        None
    }

    /// Frees retained blocks until at most `retain_bytes` are left, beginning with those that were retained for
    /// longest. Returns how many bytes were freed.
    pub fn trim(&self, retain_bytes: usize) -> usize {
        let evicted = self.state().evict(retain_bytes);
        total(&evicted)
    }

    /// Frees the blocks that were retained for at least this long. Returns how many bytes were freed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use cmalloc::{Pool, PoolOptions};
    ///
    /// let pool = Pool::new(PoolOptions { retain_bytes: 1 << 20, ..PoolOptions::default() });
    /// pool.give_back(pool.malloc(4096)?);
    /// let retained = pool.stats().retained_bytes;
    /// assert_eq!(pool.release_idle(Duration::from_secs(3600)), 0);
    /// assert_eq!(pool.release_idle(Duration::ZERO), retained);
    /// # Ok::<(), cmalloc::OutOfMemory>(())
    /// ```
    pub fn release_idle(&self, idle: Duration) -> usize {
        let now = Instant::now();
        let released = self.state().take_while(|retained| now.saturating_duration_since(retained.since) >= idle);
        total(&released)
    }

    /// Frees all retained blocks. From now on the pool retains nothing.
    pub fn close(&self) {
        let evicted = {
            let mut state = self.state();
            state.closed = true;
            state.evict(0)
        };
        drop(evicted);
    }

    /// Whether the pool was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Whether blocks are zeroed when they come back.
    #[cfg(feature = "napi")]
    pub(crate) fn scrubs(&self) -> bool {
        self.options.scrub
    }

    /// What the pool has done, and what it retains.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.state().stats
    }

    /// Takes out a retained block of a class.
    fn take(&self, class: usize) -> Option<Block> {
        let mut state = self.state();
        let block = state.classes.get_mut(&class)?.pop_back()?.block;
        state.stats.hits += 1;
        state.count_taken(&block);
        Some(block)
    }

    /// The class of a request of `len` bytes; `None` if blocks for it are not retained.
    fn class_of(&self, len: usize) -> Option<usize> {
        if debug::is_enabled() {
            return None;
        }
        let class = match &self.options.classes[..] {
            [] => default_class(len)?,
            classes => *classes.get(classes.partition_point(|class| *class < len))?,
        };
        Some(class).filter(|class| *class <= self.options.retain_bytes)
    }

    /// Those of each block that the pool makes.
    fn attributes(&self) -> Attributes {
        self.options.align.map_or(Attributes::PLAIN, |alignment| Attributes::PLAIN.aligned(alignment))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only Rust's own allocator can panic while this is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, class: usize, block: Block) {
        self.stats.retained_blocks += 1;
        self.stats.retained_bytes += block.len();
        let retained = Retained { block, number: self.count, since: Instant::now() };
        self.classes.entry(class).or_default().push_back(retained);
        self.count += 1;
    }

    /// Updates the statistics for a block that was taken out.
    fn count_taken(&mut self, block: &Block) {
        self.stats.retained_blocks -= 1;
        self.stats.retained_bytes -= block.len();
    }

    /// Takes out the blocks that were retained for longest, until at most `retain_bytes` are left. The caller drops
    /// them, after unlocking.
    #[must_use]
    fn evict(&mut self, retain_bytes: usize) -> Vec<Block> {
        let mut evicted = Vec::new();
        while self.stats.retained_bytes > retain_bytes {
            let oldest =
                self.classes.values_mut().filter(|blocks| !blocks.is_empty()).min_by_key(|blocks| blocks[0].number);
            let Some(Retained { block, .. }) = oldest.and_then(VecDeque::pop_front) else { break };
            self.count_taken(&block);
            evicted.push(block);
        }
        evicted
    }

    /// Takes out the first blocks of each class, as long as `is_due` returns `true`.
    #[must_use]
    fn take_while(&mut self, is_due: impl Fn(&Retained) -> bool) -> Vec<Block> {
        let mut taken = Vec::new();
        for blocks in self.classes.values_mut() {
            let count = blocks.iter().take_while(|retained| is_due(retained)).count();
            taken.extend(blocks.drain(..count).map(|retained| retained.block));
        }
        for block in &taken {
            self.count_taken(block);
        }
        taken
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool").field("options", &self.options).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Retainer for Pool {
    fn free_retained(&self) -> usize {
        self.trim(0)
    }

    #[cfg(feature = "napi")]
    fn retains(&self, address: usize) -> bool {
        self.state().classes.values().flatten().any(|retained| retained.block.contains(address))
    }
}

fn total(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::len).sum()
}

/// The shortest length that is at least `len` and is a power of two, or one, two or three quarters of the way to the
/// next.
fn default_class(len: usize) -> Option<usize> {
    if len <= SMALLEST_CLASS {
        return Some(SMALLEST_CLASS);
    }
    let power = 1_usize << (len - 1).ilog2();
    len.checked_next_multiple_of(power / 4)
}
