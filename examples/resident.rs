//! What a Rust program does with cmalloc: memory that is there at once, that C works on, takes and gives, and that
//! what is too much of is an error. `cargo run --example resident`; it fails if anything is not as it says.

use std::error::Error;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{self, Read};
use std::ptr::NonNull;

use cmalloc::{Alignment, Block, BlockOptions, OutOfMemory, budget, set_memory_limit};

const MIB: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    println!("resident: {} of {} bytes", become_resident()?, 64 * MIB);
    println!("sorted by C: {:?}", sort_in_c(&[5, 3, -1, 4, 2])?);
    println!("made by C: {:?}", adopt(b"text")?);
    println!("read: {} bytes of this crate's manifest", read_aligned()?);
    println!("refused: {}", ask_for_too_much());
    println!("left in the end: {} bytes are live, {} were at once", budget().live, budget().peak);
    assert_eq!(budget().live, 0);
    Ok(())
}

/// Allocates a block, and asks the system how much of it is in memory before anybody wrote to it.
fn become_resident() -> io::Result<usize> {
    let mut block = Block::malloc(64 * MIB)?;
    let resident = match block.resident_bytes() {
        Ok(resident) => resident,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => block.len(),
        Err(error) => return Err(error),
    };
    assert_eq!(resident, block.len());
    block.fill(b"AB");
    // SAFETY: every byte was filled.
    assert!(unsafe { block.as_slice() }.ends_with(b"AB"));
    Ok(resident)
}

/// Has C's `qsort` sort a copy of the numbers, which it gets the address of.
fn sort_in_c(numbers: &[i32]) -> Result<Vec<i32>, OutOfMemory> {
    unsafe extern "C" fn compare(one: *const c_void, other: *const c_void) -> c_int {
        // SAFETY: `qsort` gives the addresses of two of the numbers.
        unsafe { *one.cast::<i32>() }.cmp(unsafe { &*other.cast::<i32>() }) as c_int
    }
    let block = Block::malloc(size_of_val(numbers))?;
    let start = block.as_ptr().cast::<i32>();
    // SAFETY: the block has room for the numbers, is aligned for them as `malloc` aligns, and is nobody else's.
    unsafe {
        start.copy_from_nonoverlapping(numbers.as_ptr(), numbers.len());
        libc::qsort(start.cast(), numbers.len(), size_of::<i32>(), Some(compare));
        Ok(std::slice::from_raw_parts(start, numbers.len()).to_vec())
    }
}

/// Takes over a block that C made, makes it longer, and gives it back for C to free.
fn adopt(text: &[u8]) -> Result<String, OutOfMemory> {
    // SAFETY: `malloc` has no precondition; what it returned is written within its length.
    let foreign = unsafe {
        let foreign = NonNull::new(libc::malloc(text.len())).expect("C has a few bytes").cast::<u8>();
        foreign.copy_from_nonoverlapping(NonNull::from(text).cast(), text.len());
        foreign
    };
    // SAFETY: the block came from `malloc`, and nobody else knows of it.
    let block = unsafe { Block::consume(foreign, 2 * text.len())? }.block;
    assert_eq!(block.len(), 2 * text.len());
    // SAFETY: the first bytes have kept their contents.
    let kept = unsafe { std::slice::from_raw_parts(block.as_ptr(), text.len()) };
    let kept = String::from_utf8_lossy(kept).into_owned();
    let address = block.into_raw();
    // SAFETY: the block is C's, and no longer anybody else's.
    unsafe { libc::free(address.as_ptr().cast()) };
    Ok(kept)
}

/// Reads a file into a buffer as direct I/O wants it: at a multiple of the sector's size, and as long.
fn read_aligned() -> io::Result<usize> {
    let sector = Alignment::new(4096).or(Alignment::new(16)).expect("powers of two"); // 16 is Windows' most
    let mut buffer = BlockOptions::new().align(sector).zeroed().malloc(16 * 4096)?;
    assert!(buffer.as_ptr().addr().is_multiple_of(sector.get()));
    // SAFETY: every byte is zero.
    let bytes = unsafe { buffer.as_mut_slice() };
    let read = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?.read(bytes)?;
    assert!(bytes[..read].windows(9).any(|text| text == b"[package]"));
    Ok(read)
}

/// Asks for more than a limit of its own. Nothing was touched for it.
fn ask_for_too_much() -> OutOfMemory {
    set_memory_limit(Some(MIB));
    let refusal = Block::malloc(2 * MIB).expect_err("more than the limit");
    set_memory_limit(None);
    refusal
}
