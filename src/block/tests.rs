#[cfg(not(miri))]
use std::ptr::NonNull;

use super::Block;
#[cfg(not(miri))]
use super::Consumed;
use crate::error::OutOfMemory;
#[cfg(all(target_os = "linux", not(miri)))]
use crate::{allocator, length::BlockLen, os, residency};

#[test]
fn an_empty_pattern_changes_nothing() {
    let mut block = Block::zeroed(10).unwrap();
    block.fill(b"");
    // SAFETY: `calloc` initialised every byte.
    assert_eq!(unsafe { block.as_slice() }, [0; 10]);
}

#[test]
fn resize_keeps_the_contents() {
    let mut block = Block::malloc(100).unwrap();
    block.fill(b"0123456789");
    for len in [1000, 70_000, 10] {
        block.resize(len).unwrap();
        assert_eq!(block.len(), len);
        // SAFETY: the first ten bytes were filled, and every length keeps them.
        assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, b"0123456789");
    }
}

#[test]
fn a_refused_resize_changes_nothing() {
    let mut block = Block::zeroed(10).unwrap();
    let address = block.as_ptr();
    // Miri ends the process where an allocator would return NULL.
    let too_long = if cfg!(miri) { usize::MAX } else { isize::MAX as usize };
    for len in [0, too_long, usize::MAX] {
        assert!(block.resize(len).is_err());
        assert_eq!((block.as_ptr(), block.len()), (address, 10));
    }
}

#[test]
fn lengths_that_no_block_can_have_are_refused() {
    for len in [0, isize::MAX as usize + 1, usize::MAX] {
        assert_eq!(Block::malloc(len).unwrap_err(), OutOfMemory::Allocator { requested: len });
        assert_eq!(Block::zeroed(len).unwrap_err(), OutOfMemory::Allocator { requested: len });
    }
}

#[test]
fn a_block_crosses_threads() {
    let mut block = Block::zeroed(64).unwrap();
    let block = std::thread::spawn(move || {
        block.fill(b"x");
        block
    });
    let block = block.join().unwrap();
    // SAFETY: every byte has been filled.
    assert_eq!(unsafe { block.as_slice() }, [b'x'; 64]);
}

/// On systems that have secure blocks.
#[cfg(any(target_os = "linux", target_os = "freebsd", miri))]
mod secure {
    use super::*;
    use crate::BlockOptions;
    use crate::block::Alignment;

    fn filled(len: usize, align: usize) -> Block {
        let options = BlockOptions::new().secure(true).align(Alignment::new(align).unwrap()).filled(7);
        options.malloc(len).expect("so little can be locked")
    }

    /// # Safety
    ///
    /// Every byte must have been initialised.
    unsafe fn bytes(block: &Block) -> &[u8] {
        // SAFETY: passed on from the caller.
        unsafe { block.as_slice() }
    }

    #[test]
    fn a_resize_keeps_the_contents_within_a_vault_and_out_of_it() {
        let page = crate::page_size();
        let mut block = filled(10, 8);
        for len in [16, 17, page, page + 1, 3 * page, 100, 10] {
            block.resize(len).unwrap();
            // SAFETY: the first ten bytes were filled.
            assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, [7; 10], "{len}");
        }
    }

    #[test]
    fn it_is_aligned_whatever_its_length() {
        let page = crate::page_size();
        for align in [1, 16, 64, page].into_iter().filter(|align| *align <= Alignment::MAX) {
            for len in [1, 33, page, page + 1] {
                let block = filled(len, align);
                assert!(block.as_ptr().addr().is_multiple_of(align), "{len} bytes");
                // SAFETY: every byte was filled.
                assert!(unsafe { bytes(&block) }.iter().all(|byte| *byte == 7));
            }
        }
    }

    #[test]
    fn threads_free_each_others_blocks() {
        let threads = [1, 2].map(|byte| {
            std::thread::spawn(move || {
                (0..if cfg!(miri) { 20 } else { 2000 })
                    .map(|index| BlockOptions::new().secure(true).filled(byte).malloc(1 + index % 100).unwrap())
                    .collect::<Vec<_>>()
            })
        });
        let [mut first, second] = threads.map(|thread| thread.join().unwrap());
        // Half of them are freed here, half there.
        let rest = first.split_off(first.len() / 2);
        let other = std::thread::spawn(move || drop(rest));
        drop(first);
        other.join().unwrap();
        for block in second {
            // SAFETY: every byte was filled.
            assert!(unsafe { bytes(&block) }.iter().all(|byte| *byte == 2));
        }
    }

    #[test]
    fn one_that_is_given_away_is_a_block_of_c_whatever_its_length() {
        for len in [32, crate::page_size() + 1] {
            let address = filled(len, 8).into_raw();
            // SAFETY: the block is ours now, and its bytes were filled.
            unsafe {
                assert!(std::slice::from_raw_parts(address.as_ptr(), len).iter().all(|byte| *byte == 7));
                libc::free(address.as_ptr().cast());
            }
        }
    }
}

#[test]
#[cfg(not(miri))]
fn consume_keeps_the_contents_and_grows() {
    // SAFETY: `malloc` has no precondition. Three bytes are written to a block of three.
    let foreign = unsafe {
        let foreign = NonNull::new(libc::malloc(3)).unwrap().cast::<u8>();
        foreign.as_ptr().copy_from_nonoverlapping(b"abc".as_ptr(), 3);
        foreign
    };
    // SAFETY: `foreign` is a live block of `malloc`, which only this test knows.
    let Consumed { block, resize_failed } = unsafe { Block::consume(foreign, 1 << 20).unwrap() };
    assert!(!resize_failed);
    assert_eq!(block.len(), 1 << 20);
    // SAFETY: the first three bytes were initialised.
    assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 3) }, b"abc");
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn every_byte_is_resident_whatever_the_size() {
    let page = os::page_size();
    for len in [1, page - 1, page, page + 1, 65_535, 65_536, 300_001, 1 << 20, 40 << 20] {
        assert_eq!(Block::malloc(len).unwrap().resident_bytes().unwrap(), len, "malloc({len})");
        assert_eq!(Block::zeroed(len).unwrap().resident_bytes().unwrap(), len, "calloc({len})");
        let mut block = Block::malloc(1).unwrap();
        block.resize(len).unwrap();
        assert_eq!(block.resident_bytes().unwrap(), len, "resize({len})");
    }
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn untouched_memory_is_not_resident() {
    let len = 40 << 20;
    let lazy = allocator::calloc(BlockLen::new(len).unwrap()).unwrap();
    // SAFETY: a live block of `len` bytes.
    let resident = unsafe { residency::resident_bytes(lazy.as_ptr(), len).unwrap() };
    // SAFETY: the block is freed once.
    unsafe { allocator::free(lazy) };
    assert!(resident < len / 100, "{resident} of {len} bytes that nobody touched");
}
