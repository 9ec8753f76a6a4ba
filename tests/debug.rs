//! The debug mode. It cannot be switched off again, so these tests have a process of their own.

#[cfg(not(miri))]
use std::ptr::NonNull;

#[cfg(not(miri))]
use cmalloc::Consumed;
use cmalloc::{Block, debug};

/// Writes one byte, `past` bytes past the end of a block.
fn write_past(block: &Block, past: usize) {
    // SAFETY: a redzone of 64 bytes follows the block.
    unsafe { block.as_ptr().add(block.len() + past).write(0x41) };
}

fn bytes(block: &Block) -> &[u8] {
    // SAFETY: in the debug mode every byte of a block is initialised.
    unsafe { block.as_slice() }
}

fn malloc(len: usize) -> Block {
    debug::enable();
    Block::malloc(len).unwrap()
}

#[test]
fn every_byte_of_the_redzone_is_checked_and_each_damage_is_found_once() {
    let block = malloc(100);
    assert!(block.check().is_ok());
    for past in 0..64 {
        write_past(&block, past);
        let corruption = block.check().unwrap_err();
        assert_eq!((corruption.address(), corruption.len()), (block.as_ptr().addr(), 100));
        assert_eq!((corruption.offset(), corruption.expected(), corruption.found()), (100 + past, 0xfb, 0x41));
        assert!(block.check().is_ok(), "it was found before");
    }
    assert!(block.free().is_ok());
}

#[test]
fn a_corrupt_block_is_freed_and_refunded() {
    let block = malloc(100);
    write_past(&block, 63);
    let text = block.free().unwrap_err().to_string();
    assert!(text.contains("Found by free()") && text.contains("of 100 bytes"), "{text}");
    assert!(text.contains("at offset 163, expected 0xfb, found 0x41") && text.contains("bad bytes: 1"), "{text}");
}

#[test]
fn uninitialised_bytes_hold_a_pattern_and_zeros_are_zeros() {
    let mut block = malloc(100);
    assert_eq!(bytes(&block), [0xa5; 100]);
    assert_eq!(bytes(&Block::zeroed(100).unwrap()), [0; 100]);
    block.fill(b"x");
    block.resize(300).unwrap();
    assert_eq!((&bytes(&block)[..100], &bytes(&block)[100..]), (&[b'x'; 100][..], &[0xa5; 200][..]));
}

#[test]
fn the_redzone_moves_with_the_end_of_the_block() {
    let mut block = malloc(100);
    for len in [1, 64, 100_000, 50, 100] {
        block.resize(len).unwrap();
        assert!(block.check().is_ok(), "resized to {len}");
        write_past(&block, 0);
        assert_eq!(block.check().unwrap_err().offset(), len);
    }
}

#[test]
fn a_refused_resize_leaves_the_redzone_where_it_is() {
    let mut block = malloc(100);
    let too_long = if cfg!(miri) { usize::MAX } else { isize::MAX as usize };
    for len in [0, too_long, usize::MAX] {
        assert!(block.resize(len).is_err());
        assert!(block.check().is_ok());
    }
    write_past(&block, 0);
    assert_eq!(block.check().unwrap_err().offset(), 100);
}

#[test]
fn a_released_block_is_the_allocators_own_and_is_not_watched() {
    let block = malloc(100);
    let address = block.as_ptr();
    let released = block.into_raw();
    assert_eq!(released.as_ptr(), address);
    // SAFETY: the bytes of the former redzone still belong to the block, which is freed once.
    unsafe {
        released.as_ptr().add(100).write(0);
        libc::free(released.as_ptr().cast());
    }
}

#[test]
#[cfg(not(miri))]
fn a_consumed_block_gets_a_redzone() {
    debug::enable();
    // SAFETY: `malloc` has no precondition.
    let foreign = NonNull::new(unsafe { libc::malloc(3) }).unwrap().cast();
    // SAFETY: a live block of `malloc`, which only this test knows.
    let Consumed { block, .. } = unsafe { Block::consume(foreign, 1000).unwrap() };
    assert_eq!(bytes(&block)[999], 0xa5);
    write_past(&block, 0);
    assert_eq!(block.check().unwrap_err().offset(), 1000);
}

/// If `realloc` fails, the block stays as long as it was. There is no room for a redzone, so nothing is written after it.
#[test]
#[cfg(all(feature = "fault-injection", any(target_os = "linux", target_os = "macos", windows)))]
fn a_consumed_block_that_could_not_be_resized_has_no_redzone_until_it_is_resized() {
    use cmalloc::fault;

    debug::enable();
    let mut kept = 0;
    for faults in 0..200 {
        // SAFETY: `malloc` has no precondition.
        let foreign = NonNull::new(unsafe { libc::malloc(100) }).unwrap().cast::<u8>();
        fault::arm(faults);
        // SAFETY: a live block of `malloc`, which only this test knows.
        let consumed = unsafe { Block::consume(foreign, 1000) };
        let struck = fault::disarm();
        match consumed {
            Ok(Consumed { mut block, resize_failed }) => {
                kept += u32::from(resize_failed);
                assert!(block.check().is_ok());
                block.resize(500).unwrap();
                write_past(&block, 0);
                assert_eq!(block.check().unwrap_err().offset(), 500, "a fault after {faults} calls: {resize_failed}");
            }
            // SAFETY: this test still owns the refused block.
            Err(_) => unsafe { libc::free(foreign.as_ptr().cast()) },
        }
        if !struck {
            assert!(kept > 0, "one of the calls is realloc");
            return;
        }
    }
    panic!("the scenario has not so many calls");
}

#[test]
fn blocks_are_checked_in_whichever_thread_frees_them() {
    let block = malloc(10);
    write_past(&block, 0);
    let freed = std::thread::spawn(move || block.free()).join().unwrap();
    assert_eq!(freed.unwrap_err().offset(), 10);
}
