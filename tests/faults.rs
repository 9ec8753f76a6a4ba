//! Makes every call into the C library and the system fail, one after the other. After each failure everything must still
//! work, and nothing may be lost.

use std::ptr::NonNull;

use cmalloc::{Alignment, Block, BlockOptions, Consumed, OutOfMemory, budget, fault, set_memory_limit};

const MIB: usize = 1 << 20;
/// Large enough that the memory left is looked up several times.
const LARGE: usize = 33 * MIB;

/// Uses everything in the crate, with lengths that are treated differently.
fn scenario() -> Result<Vec<Block>, OutOfMemory> {
    let mut blocks = vec![Block::malloc(100)?, Block::zeroed(100_000)?, Block::malloc(LARGE)?];
    let mut block = Block::malloc(10)?;
    block.fill(b"0123456789");
    for len in [50, 300_000, LARGE, 4 * MIB, 10] {
        let (before, address) = (block.len(), block.as_ptr());
        if block.resize(len).is_err() {
            assert_eq!((block.len(), block.as_ptr() == address || len > before), (before, true));
        }
        // SAFETY: the first ten bytes were filled, and every length keeps them.
        assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, b"0123456789");
    }
    blocks.push(block);
    for block in specials()? {
        blocks.push(block);
    }
    blocks.push(consume(3, LARGE)?);
    blocks.push(consume(4 * MIB, 10)?);
    for block in &blocks {
        if let Ok(resident) = block.resident_bytes() {
            assert_eq!(resident, block.len());
        }
    }
    let _ = budget();
    Ok(blocks)
}

/// Makes aligned, secure and lazy blocks and resizes them several times. Returns those that are not lazy.
fn specials() -> Result<Vec<Block>, OutOfMemory> {
    let align = Alignment::new(1 << 16).expect("one of those that there are");
    let (aligned, secure) = (BlockOptions::new().align(align), BlockOptions::new().secure(true));
    let mut blocks = vec![];
    for (options, lens) in [
        (aligned.filled(b'x'), [300_000, LARGE, 10]),
        (secure.filled(b'x'), [5000, 70_000, 10]),
        (secure.align(align).filled(b'x'), [5000, 70_000, 10]),
        (aligned.lazy(true).zeroed(), [300_000, LARGE, 10]),
    ] {
        let mut block = options.malloc(100)?;
        // SAFETY: every byte was filled.
        let first = unsafe { block.as_slice()[99] };
        for len in lens {
            let (before, address) = (block.len(), block.as_ptr());
            if block.resize(len).is_err() {
                assert_eq!((block.len(), block.as_ptr()), (before, address));
            }
            // SAFETY: the first ten bytes were filled, and every length keeps them.
            assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 10) }, [first; 10]);
        }
        if first == b'x' {
            blocks.push(block);
        }
    }
    Ok(blocks)
}

/// Consumes a block of `held` bytes. If it is refused, it is freed here.
fn consume(held: usize, len: usize) -> Result<Block, OutOfMemory> {
    // SAFETY: `malloc` has no precondition.
    let foreign = NonNull::new(unsafe { libc::malloc(held) }).expect("it is not injected here").cast::<u8>();
    // SAFETY: the first three bytes are within the block.
    unsafe { foreign.as_ptr().copy_from_nonoverlapping(b"abc".as_ptr(), 3) };
    // SAFETY: a live block of `malloc`, which only this function knows.
    match unsafe { Block::consume(foreign, len) } {
        Ok(Consumed { block, resize_failed }) => {
            assert!(block.len() <= len && (resize_failed || block.len() == len));
            // SAFETY: both lengths keep the first three bytes.
            assert_eq!(unsafe { std::slice::from_raw_parts(block.as_ptr(), 3) }, b"abc");
            Ok(block)
        }
        Err(refusal) => {
            // SAFETY: this function still owns the refused block.
            unsafe { libc::free(foreign.as_ptr().cast()) };
            Err(refusal)
        }
    }
}

fn run_with_a_fault_at_every_call() -> u64 {
    for calls in 0.. {
        fault::arm(calls);
        let outcome = scenario();
        let struck = fault::disarm();
        let live: usize = outcome.iter().flatten().map(Block::len).sum();
        assert_eq!(budget().live, live, "after the failure of call {calls}");
        drop(outcome);
        assert_eq!(budget().live, 0, "after the failure of call {calls}");
        if !struck {
            return calls;
        }
    }
    unreachable!("the scenario ends")
}

#[test]
fn nothing_is_lost_whichever_call_fails() {
    let calls = run_with_a_fault_at_every_call();
    assert!(calls > 50, "only {calls} calls could be made to fail");
    println!("{calls} calls were made to fail");
    set_memory_limit(Some(3 * LARGE / 2));
    run_with_a_fault_at_every_call();
    set_memory_limit(None);
}
