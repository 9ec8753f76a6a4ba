use std::collections::HashSet;
use std::thread;

use super::*;

const KIB: usize = 1 << 10;

/// A pool that is not registered, so that other tests cannot make it free what it retains.
fn unlisted(options: PoolOptions) -> Pool {
    Pool { options, state: Mutex::default() }
}

fn pool(retain_bytes: usize) -> Pool {
    unlisted(PoolOptions { retain_bytes, ..PoolOptions::default() })
}

fn retained(pool: &Pool) -> (usize, usize) {
    let PoolStats { retained_blocks, retained_bytes, .. } = pool.stats();
    (retained_blocks, retained_bytes)
}

fn bytes(block: &Block) -> &[u8] {
    // SAFETY: the tests fill the blocks that they look at.
    unsafe { block.as_slice() }
}

/// Whether C tells how much a block holds. Under Miri it does not, and only blocks as long as their class are
/// retained.
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
        for (init, expected) in [(Init::Byte(7), 7), (Init::ZERO, 0), (Init::Byte(9), 9), (Init::ZERO, 0)] {
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
    assert_eq!(retained(&pool), (1, 6 * KIB), "a block that cannot be retained makes no room");
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
fn a_pool_can_have_other_classes() {
    let pool = unlisted(PoolOptions {
        retain_bytes: 100 * KIB,
        classes: vec![KIB, 10 * KIB],
        scrub: false,
        ..PoolOptions::default()
    });
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

#[cfg(unix)]
#[test]
fn the_blocks_of_an_aligned_pool_are_aligned_and_others_are_not_retained() {
    let align = Alignment::new(4 * KIB);
    let aligned = unlisted(PoolOptions { retain_bytes: 100 * KIB, align, ..PoolOptions::default() });
    let plain = pool(100 * KIB);
    for _ in 0..2 {
        let block = aligned.malloc(8 * KIB).unwrap();
        assert!(block.as_ptr().addr().is_multiple_of(4 * KIB));
        aligned.give_back(block);
    }
    assert_eq!(aligned.stats().hits, 1);
    aligned.give_back(plain.malloc(4 * KIB).unwrap());
    plain.give_back(aligned.malloc(4 * KIB).unwrap());
    assert_eq!((retained(&aligned), retained(&plain)), ((1, 8 * KIB), (0, 0)));
}

#[test]
fn what_is_retained_is_freed_before_a_request_is_refused() {
    let pool = Pool::new(PoolOptions { retain_bytes: 100 * KIB, ..PoolOptions::default() });
    pool.give_back(pool.malloc(4 * KIB).unwrap());
    // Other tests may also have it freed.
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
