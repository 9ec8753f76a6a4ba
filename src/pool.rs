//! [`Pool`]: blocks that stay resident after their end, and are handed out again.
//!
//! A block of a pool is as long as its **class**, whatever length it is handed out with: so it fits the next request
//! of that class. Handed out, it is cut to what was asked for; what is behind stays resident and C's, but is in no
//! books. As it comes back it is grown again to its class, if C says that it still holds as much.
//!
//! No lock is held while blocks are allocated, touched or freed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::block::{Attributes, Block, Init};
use crate::debug;
use crate::error::OutOfMemory;

/// The shortest of the classes that a pool has by itself.
const SMALLEST_CLASS: usize = 64;

/// Every pool, for whoever needs the memory more.
static POOLS: Mutex<Vec<Weak<Pool>>> = Mutex::new(Vec::new());

/// Hands blocks out again that were given back to it, resident as they are.
///
/// What it retains counts as live in [`budget`](crate::budget()), and is freed before any request is refused for want of
/// memory. In the [debug mode](crate::debug) a pool retains nothing, so that a use after the end is found.
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
    shelves: Mutex<Shelves>,
}

/// What a [`Pool`] is to be like.
#[derive(Clone, Debug, Default)]
pub struct PoolOptions {
    /// The most that is retained, in bytes of whole classes.
    pub retain_bytes: usize,
    /// The lengths that blocks have, in bytes. A longer request gets a block of its own, which is not retained. Empty
    /// for powers of two and three lengths between each and the next: at most a quarter more than is asked for.
    pub classes: Vec<usize>,
    /// Whether blocks are zeroed as they come back.
    pub scrub: bool,
}

/// What a pool did, and what it retains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Requests that got a block that was retained.
    pub hits: u64,
    /// Requests that got a new block.
    pub misses: u64,
    /// Blocks that are retained.
    pub retained_blocks: usize,
    /// Their bytes, each block as long as its class.
    pub retained_bytes: usize,
}

#[derive(Default)]
struct Shelves {
    /// The retained blocks of each class, the one that came last at the end: it is the next to be handed out.
    classes: BTreeMap<usize, VecDeque<Retained>>,
    /// How many blocks came: the number of the next.
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
    /// A pool that retains nothing yet. It is in an [`Arc`] so that the others of the process can have it give memory up;
    /// what it retains is freed with the last one.
    #[must_use]
    pub fn new(mut options: PoolOptions) -> Arc<Self> {
        options.classes.sort_unstable();
        let pool = Arc::new(Self { options, shelves: Mutex::default() });
        let mut pools = lock_pools();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(&pool));
        pool
    }

    /// A block of `len` bytes, at least 1, which hold anything: one that is retained, or else a new one. It is the
    /// caller's, who may [`give_back`](Self::give_back) it, and need not.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] as for [`Block::malloc`].
    pub fn malloc(&self, len: usize) -> Result<Block, OutOfMemory> {
        self.allocate(len, Init::Uninit)
    }

    /// A block of `len` bytes that are zero.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    pub fn zeroed(&self, len: usize) -> Result<Block, OutOfMemory> {
        self.allocate(len, Init::Zero)
    }

    pub(crate) fn allocate(&self, len: usize, init: Init) -> Result<Block, OutOfMemory> {
        let class = self.class_of(len);
        if let Some(mut block) = class.and_then(|class| self.take(class)) {
            block.cut(len);
            match init {
                Init::Uninit => {}
                // It was scrubbed as it came back.
                Init::Zero if self.options.scrub => {}
                Init::Zero => block.fill(&[0]),
                Init::Byte(byte) => block.fill(&[byte]),
            }
            return Ok(block);
        }
        let block =
            match class.filter(|class| *class > len).map(|class| Block::allocate(class, init, Attributes::PLAIN)) {
                Some(Ok(mut block)) => {
                    block.cut(len);
                    block
                }
                // There may be room for what was asked for all the same.
                Some(Err(_)) | None => Block::allocate(len, init, Attributes::PLAIN)?,
            };
        self.shelves().stats.misses += 1;
        Ok(block)
    }

    /// Retains a block for the next request of its class; it may be any block. What has been here for longest is freed
    /// for it; the block itself is, if it is longer than what may be retained, or its class longer than what C gave it.
    pub fn give_back(&self, block: Block) {
        drop(self.take_back(block));
    }

    /// Like [`give_back`](Self::give_back); but returns a block that is not retained, for the caller to free.
    pub(crate) fn take_back(&self, mut block: Block) -> Option<Block> {
        // A block of the debug mode has a redzone, and is to be poisoned.
        if debug::is_enabled() || !self.options.scrub && self.is_closed() {
            return Some(block);
        }
        // Who is given a block next expects nothing special of it.
        let class = self.class_of(block.len()).filter(|_| block.attributes().is_plain());
        let class = class.filter(|class| block.grow_in_place(*class));
        if self.options.scrub {
            // Before anybody else can see it: whoever gets it next, from here or from C.
            block.wipe();
        }
        let Some(class) = class else { return Some(block) };
        let mut shelves = self.shelves();
        if shelves.closed {
            return Some(block);
        }
        let evicted = shelves.evict(self.options.retain_bytes - class);
        shelves.put(class, block);
        drop(shelves);
        drop(evicted);
        None
    }

    /// Frees retained blocks, those first that have been here for longest, until at most `retain_bytes` are left.
    /// Returns how many bytes were freed.
    pub fn trim(&self, retain_bytes: usize) -> usize {
        let evicted = self.shelves().evict(retain_bytes);
        total(&evicted)
    }

    /// Frees the blocks that have been here for so long or longer. Returns how many bytes were freed.
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
        let released = self.shelves().take_while(|retained| now.saturating_duration_since(retained.since) >= idle);
        total(&released)
    }

    /// Frees what is retained, and retains nothing from now on.
    pub fn close(&self) {
        let evicted = {
            let mut shelves = self.shelves();
            shelves.closed = true;
            shelves.evict(0)
        };
        drop(evicted);
    }

    /// Whether the pool was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shelves().closed
    }

    /// Whether blocks are zeroed as they come back.
    #[cfg(feature = "napi")]
    pub(crate) fn scrubs(&self) -> bool {
        self.options.scrub
    }

    /// What the pool did, and what it retains.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.shelves().stats
    }

    /// Takes a retained block of a class out.
    fn take(&self, class: usize) -> Option<Block> {
        let mut shelves = self.shelves();
        let block = shelves.classes.get_mut(&class)?.pop_back()?.block;
        shelves.stats.hits += 1;
        shelves.went(&block);
        Some(block)
    }

    /// How long a block is that is retained for requests of `len` bytes; `None` if none is.
    fn class_of(&self, len: usize) -> Option<usize> {
        if len == 0 || debug::is_enabled() {
            return None;
        }
        let class = match &self.options.classes[..] {
            [] => default_class(len)?,
            classes => *classes.get(classes.partition_point(|class| *class < len))?,
        };
        Some(class).filter(|class| *class <= self.options.retain_bytes)
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        // Nothing panics under the lock but the allocator of its own books.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn put(&mut self, class: usize, block: Block) {
        self.stats.retained_blocks += 1;
        self.stats.retained_bytes += block.len();
        let retained = Retained { block, number: self.count, since: Instant::now() };
        self.classes.entry(class).or_default().push_back(retained);
        self.count += 1;
    }

    /// Counts a block that was taken out.
    fn went(&mut self, block: &Block) {
        self.stats.retained_blocks -= 1;
        self.stats.retained_bytes -= block.len();
    }

    /// Takes out what has been here for longest, until at most so many bytes are left. For the caller to drop, without
    /// the lock.
    #[must_use]
    fn evict(&mut self, retain_bytes: usize) -> Vec<Block> {
        let mut evicted = Vec::new();
        while self.stats.retained_bytes > retain_bytes {
            let oldest =
                self.classes.values_mut().filter(|shelf| !shelf.is_empty()).min_by_key(|shelf| shelf[0].number);
            let Some(Retained { block, .. }) = oldest.and_then(VecDeque::pop_front) else { break };
            self.went(&block);
            evicted.push(block);
        }
        evicted
    }

    /// Takes out of each class what came first, as long as `is_due`.
    #[must_use]
    fn take_while(&mut self, is_due: impl Fn(&Retained) -> bool) -> Vec<Block> {
        let mut taken = Vec::new();
        for shelf in self.classes.values_mut() {
            let count = shelf.iter().take_while(|retained| is_due(retained)).count();
            taken.extend(shelf.drain(..count).map(|retained| retained.block));
        }
        for block in &taken {
            self.went(block);
        }
        taken
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool").field("options", &self.options).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Runs what may be refused for want of memory; if it is, frees what the pools retain, and runs it once more.
#[inline]
pub(crate) fn or_give_up<T>(mut operation: impl FnMut() -> Result<T, OutOfMemory>) -> Result<T, OutOfMemory> {
    #[cold]
    fn again<T>(refusal: OutOfMemory, mut operation: impl FnMut() -> Result<T, OutOfMemory>) -> Result<T, OutOfMemory> {
        // What pools retain is not locked.
        let could_help = !matches!(refusal, OutOfMemory::Lock { .. });
        if could_help && give_up() { operation() } else { Err(refusal) }
    }
    operation().or_else(|refusal| again(refusal, operation))
}

/// Frees all that is retained, by every pool of the process. Returns whether there was anything.
pub(crate) fn give_up() -> bool {
    let mut freed = 0;
    for pool in all() {
        freed += pool.trim(0);
    }
    freed > 0
}

/// Whether an address lies in a block that is retained: it is nobody's, but not C's either.
#[cfg(feature = "napi")]
pub(crate) fn owns(address: usize) -> bool {
    let contains = |retained: &Retained| {
        let start = retained.block.as_ptr().addr();
        address >= start && address - start < retained.block.len()
    };
    all().iter().any(|pool| pool.shelves().classes.values().flatten().any(contains))
}

/// Every pool. Not under the lock is what is done with them: the last one to hold a pool frees blocks.
fn all() -> Vec<Arc<Pool>> {
    lock_pools().iter().filter_map(Weak::upgrade).collect()
}

fn lock_pools() -> MutexGuard<'static, Vec<Weak<Pool>>> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn total(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::len).sum()
}

/// The power of two, or quarter of the way to the next, that is at least `len`.
fn default_class(len: usize) -> Option<usize> {
    if len <= SMALLEST_CLASS {
        return Some(SMALLEST_CLASS);
    }
    let power = 1_usize << (len - 1).ilog2();
    len.checked_next_multiple_of(power / 4)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    const KIB: usize = 1 << 10;

    /// A pool that other tests cannot make give up what it retains.
    fn unlisted(options: PoolOptions) -> Pool {
        Pool { options, shelves: Mutex::default() }
    }

    fn pool(retain_bytes: usize) -> Pool {
        unlisted(PoolOptions { retain_bytes, ..PoolOptions::default() })
    }

    fn retained(pool: &Pool) -> (usize, usize) {
        let PoolStats { retained_blocks, retained_bytes, .. } = pool.stats();
        (retained_blocks, retained_bytes)
    }

    fn bytes(block: &Block) -> &[u8] {
        // SAFETY: the tests fill what they look at.
        unsafe { block.as_slice() }
    }

    /// Not under Miri, which does not say what a block holds: there only those come back that are as long as their class.
    const KNOWN: bool = !cfg!(miri);

    #[test]
    fn a_class_is_at_most_a_quarter_longer_than_what_is_asked_for() {
        let mut classes = HashSet::new();
        for len in 1..if cfg!(miri) { 2_000 } else { 100_000 } {
            let class = default_class(len).unwrap();
            assert!(class >= len && (class == SMALLEST_CLASS || class * 4 <= len * 5), "{class} for {len}");
            assert_eq!(default_class(class), Some(class));
            classes.insert(class);
        }
        assert!(classes.len() < 50, "{} classes", classes.len());
        assert_eq!(default_class(usize::MAX), None);
    }

    #[test]
    fn what_came_back_last_is_handed_out_first_as_it_is() {
        let pool = pool(100 * KIB);
        let mut blocks = [0; 2].map(|_| pool.malloc(4 * KIB).unwrap());
        blocks[1].fill(b"x");
        let addresses = [0, 1].map(|index: usize| blocks[index].as_ptr());
        for block in blocks {
            pool.give_back(block);
        }
        assert_eq!(retained(&pool), (2, 8 * KIB));
        let again = pool.malloc(4 * KIB).unwrap();
        assert_eq!((again.as_ptr(), bytes(&again)), (addresses[1], &[b'x'; 4 * KIB][..]));
        assert_eq!(pool.malloc(4 * KIB).unwrap().as_ptr(), addresses[0]);
        assert_eq!(pool.stats(), PoolStats { hits: 2, misses: 2, retained_blocks: 0, retained_bytes: 0 });
    }

    #[test]
    fn a_block_has_the_length_that_was_asked_for_and_comes_back_with_that_of_its_class() {
        let pool = pool(100 * KIB);
        let block = pool.malloc(4 * KIB + 1).unwrap();
        let address = block.as_ptr();
        assert_eq!(block.len(), 4 * KIB + 1);
        pool.give_back(block);
        assert_eq!(retained(&pool), if KNOWN { (1, 5 * KIB) } else { (0, 0) });
        let again = pool.malloc(5 * KIB).unwrap();
        assert!(!KNOWN || again.as_ptr() == address);
        assert_eq!(again.len(), 5 * KIB);
    }

    #[test]
    fn what_no_longer_holds_its_class_is_freed() {
        let pool = pool(100 * KIB);
        let mut block = pool.malloc(80 * KIB).unwrap();
        block.resize(65 * KIB).unwrap();
        pool.give_back(block);
        assert_eq!(retained(&pool), (0, 0));
        let mut block = pool.malloc(4 * KIB).unwrap();
        block.resize(80 * KIB).unwrap();
        pool.give_back(block);
        assert_eq!(retained(&pool), (1, 80 * KIB));
    }

    #[test]
    fn a_hit_is_filled_as_is_asked() {
        for scrub in [false, true] {
            let pool = unlisted(PoolOptions { retain_bytes: 8 * KIB, scrub, ..PoolOptions::default() });
            for (init, expected) in [(Init::Byte(7), 7), (Init::Zero, 0), (Init::Byte(9), 9), (Init::Zero, 0)] {
                let block = pool.allocate(4 * KIB, init).unwrap();
                assert!(bytes(&block).iter().all(|byte| *byte == expected));
                pool.give_back(block);
            }
            assert_eq!(pool.stats().hits, 3);
        }
    }

    #[test]
    fn a_pool_that_scrubs_zeroes_the_whole_class() {
        let pool = unlisted(PoolOptions { retain_bytes: 8 * KIB, scrub: true, ..PoolOptions::default() });
        let mut block = pool.malloc(5 * KIB).unwrap();
        block.fill(b"secret");
        pool.give_back(block);
        let block = pool.malloc(5 * KIB).unwrap();
        assert_eq!(bytes(&block), [0; 5 * KIB]);
        let mut longer_than_all_that_is_retained = pool.malloc(9 * KIB).unwrap();
        longer_than_all_that_is_retained.fill(b"secret");
        let left = pool.take_back(longer_than_all_that_is_retained).expect("it is not retained");
        assert_eq!(bytes(&left), [0; 9 * KIB]);
        pool.close();
        let mut block = block;
        block.fill(b"secret");
        assert_eq!(bytes(&pool.take_back(block).expect("it is closed")), [0; 5 * KIB]);
    }

    #[test]
    fn what_has_been_there_for_longest_makes_room() {
        let pool = pool(16 * KIB);
        let blocks = [4, 8, 4].map(|kib| pool.malloc(kib * KIB).unwrap());
        let addresses = [0, 1, 2].map(|index: usize| blocks[index].as_ptr());
        for block in blocks {
            pool.give_back(block);
        }
        assert_eq!(retained(&pool), (3, 16 * KIB));
        pool.give_back(pool.malloc(6 * KIB).unwrap());
        assert_eq!(retained(&pool), (2, 10 * KIB), "the first 4 KiB and the 8 KiB are gone");
        assert_eq!(pool.malloc(4 * KIB).unwrap().as_ptr(), addresses[2]);
        assert_eq!(pool.stats().hits, 1);
        pool.give_back(Block::malloc(17 * KIB).unwrap());
        assert_eq!(retained(&pool), (1, 6 * KIB), "what cannot be retained drives nothing out");
    }

    #[test]
    fn a_trim_frees_the_oldest() {
        let pool = pool(100 * KIB);
        let blocks = [4, 8, 16].map(|kib| pool.malloc(kib * KIB).unwrap());
        for block in blocks {
            pool.give_back(block);
        }
        assert_eq!([pool.trim(28 * KIB), pool.trim(24 * KIB), pool.trim(23 * KIB)], [0, 4 * KIB, 8 * KIB]);
        assert_eq!((pool.trim(0), retained(&pool)), (16 * KIB, (0, 0)));
    }

    #[test]
    fn what_idles_is_released() {
        let pool = pool(100 * KIB);
        let blocks = [0; 2].map(|_| pool.malloc(4 * KIB).unwrap());
        let [first, second] = blocks;
        pool.give_back(first);
        thread::sleep(Duration::from_millis(50));
        let before = Instant::now();
        pool.give_back(second);
        assert_eq!(pool.release_idle(before.elapsed() + Duration::from_millis(25)), 4 * KIB);
        assert_eq!((pool.release_idle(Duration::from_secs(100)), retained(&pool)), (0, (1, 4 * KIB)));
        assert_eq!(pool.release_idle(Duration::ZERO), 4 * KIB);
    }

    #[test]
    fn classes_of_ones_own() {
        let pool = unlisted(PoolOptions { retain_bytes: 100 * KIB, classes: vec![KIB, 10 * KIB], scrub: false });
        assert_eq!(
            [1, KIB, KIB + 1, 10 * KIB, 10 * KIB + 1].map(|len| pool.class_of(len)),
            [Some(KIB), Some(KIB), Some(10 * KIB), Some(10 * KIB), None]
        );
        pool.give_back(pool.malloc(11 * KIB).unwrap());
        assert_eq!(retained(&pool), (0, 0));
        assert!(pool.malloc(0).is_err());
    }

    #[test]
    fn a_closed_pool_retains_nothing() {
        let pool = pool(100 * KIB);
        let blocks = [0; 2].map(|_| pool.malloc(4 * KIB).unwrap());
        let [first, second] = blocks;
        pool.give_back(first);
        pool.close();
        assert_eq!((pool.is_closed(), retained(&pool)), (true, (0, 0)));
        pool.give_back(second);
        assert_eq!(retained(&pool), (0, 0));
    }

    #[test]
    fn what_is_retained_is_given_up_before_a_request_is_refused() {
        let pool = Pool::new(PoolOptions { retain_bytes: 100 * KIB, ..PoolOptions::default() });
        pool.give_back(pool.malloc(4 * KIB).unwrap());
        // Other tests are refused too.
        assert!(Block::malloc(isize::MAX as usize + 1).is_err());
        assert_eq!(retained(&pool), (0, 0));
    }

    #[test]
    fn blocks_come_back_in_any_thread() {
        const ROUNDS: usize = if cfg!(miri) { 4 } else { 1000 };
        let pool = pool(64 * KIB);
        thread::scope(|scope| {
            for byte in 1..4 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let mut block = pool.malloc((1 + round % 3) * 4 * KIB).unwrap();
                        block.fill(&[byte]);
                        assert!(bytes(&block).iter().all(|found| *found == byte), "nobody else has it");
                        pool.give_back(block);
                    }
                });
            }
        });
        let PoolStats { hits, misses, retained_bytes, .. } = pool.stats();
        assert_eq!(hits + misses, 3 * ROUNDS as u64);
        assert!(retained_bytes <= 64 * KIB);
    }
}
