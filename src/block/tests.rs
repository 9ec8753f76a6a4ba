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
