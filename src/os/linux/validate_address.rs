//! Whether a block can start at an address: what is mapped there, and what size the allocator keeps before it.

use std::ptr;
use std::sync::OnceLock;

use super::files::read;
use crate::allocator;
use crate::length::BlockLen;
use crate::os::address::InvalidAddress;
use crate::os::unix::usable_size;

/// What glibc keeps before each block: the size of the block before, then the size of this one.
const HEADER: usize = 2 * size_of::<usize>();
/// What glibc's smallest block holds.
const SMALLEST: usize = 3 * size_of::<usize>();

/// Fails if no block of `malloc` can start at an address. Reads only what is mapped, and accepts every address if the
/// kernel does not tell what is mapped.
pub(crate) fn validate_address(address: usize) -> Result<(), InvalidAddress> {
    if is_writable(address, 1) == Some(false) {
        return Err(InvalidAddress::NotWritable);
    }
    if !has_headers() {
        return Ok(());
    }
    // What is mapped never begins at 0, so there is room for a header before it.
    let header = address.saturating_sub(HEADER);
    match is_writable(header, HEADER) {
        Some(true) => {}
        Some(false) => return Err(InvalidAddress::NoHeader),
        None => return Ok(()),
    }
    let len = len_by_header(address);
    if len < SMALLEST {
        return Err(InvalidAddress::TooSmall { len });
    }
    // C's `malloc_usable_size` reads the header of the next block as well.
    if is_writable(address, len) == Some(false) { Err(InvalidAddress::BadHeader { len }) } else { Ok(()) }
}

/// Whether the allocator keeps headers as glibc does. That of musl does not, nor do most that are loaded in its place.
fn has_headers() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        [24, 1000, 5000].into_iter().all(|len| {
            let Some(block) = BlockLen::new(len).ok().and_then(allocator::malloc) else { return false };
            let address = block.as_ptr().expose_provenance();
            // SAFETY: the block was just made, nobody else knows it, and it is freed once.
            unsafe {
                let held = usable_size(block);
                let found = is_writable(address - HEADER, HEADER) == Some(true) && held == Some(len_by_header(address));
                allocator::free(block);
                found
            }
        })
    })
}

/// How much a block can hold according to the header before it, which must be mapped.
fn len_by_header(address: usize) -> usize {
    /// The lowest three bits are flags. The second one means that the block is a mapping of its own.
    const FLAGS: usize = 7;
    const MAPPED: usize = 2;

    let header = ptr::with_exposed_provenance::<usize>(address - size_of::<usize>());
    // SAFETY: the caller made sure that the word is mapped. The read is volatile because C may write there.
    let word = unsafe { header.read_volatile() };
    let shared = if word & MAPPED == 0 { size_of::<usize>() } else { 0 };
    (word & !FLAGS).saturating_sub(HEADER).saturating_add(shared)
}

/// Whether all of these bytes are mapped for reading and writing; `None` if the kernel does not tell.
fn is_writable(start: usize, len: usize) -> Option<bool> {
    covers(&read("/proc/self/maps")?, start, len)
}

/// The lines are sorted by address. Adjacent mappings may have one line each.
fn covers(maps: &str, start: usize, len: usize) -> Option<bool> {
    let Some(end) = start.checked_add(len) else { return Some(false) };
    let mut reached = start;
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (from, to) = words.next()?.split_once('-')?;
        let (from, to) = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
        let writable = words.next()?.starts_with("rw");
        if writable && (from..to).contains(&reached) {
            reached = to;
        }
        if reached >= end {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "1000-2000 r--p 00000000 08:01 12   /bin/x\n\
                        2000-3000 rw-p 00000000 00:00 0\n\
                        3000-5000 rw-s 00000000 00:00 0    [heap]\n\
                        5000-6000 ---p 00000000 00:00 0\n\
                        7000-8000 rw-p 00000000 00:00 0\n";

    #[test]
    fn a_run_is_writable_if_every_byte_is() {
        for (start, len) in [(0x2000, 1), (0x2000, 0x3000), (0x2fff, 2), (0x4fff, 1), (0x7000, 0x1000)] {
            assert_eq!(covers(MAPS, start, len), Some(true), "{start:x}, {len:x}");
        }
        for (start, len) in
            [(0, 1), (0x1000, 1), (0x1fff, 2), (0x4fff, 2), (0x5000, 1), (0x6000, 1), (0x7000, 0x1001), (0x9000, 1)]
        {
            assert_eq!(covers(MAPS, start, len), Some(false), "{start:x}, {len:x}");
        }
        assert_eq!(covers(MAPS, usize::MAX, 2), Some(false));
        assert_eq!(covers("what is this", 0x2000, 1), None);
    }

    #[test]
    fn this_machine_tells() {
        let local = 0u8;
        assert_eq!(is_writable((&raw const local).addr(), 1), Some(true));
        assert_eq!(is_writable((this_machine_tells as fn()) as usize, 1), Some(false));
    }

    #[test]
    fn addresses_of_blocks_are_valid_whatever_their_size() {
        for len in [1, 8, 24, 25, 1000, 100_000, 200_000, 40 << 20] {
            let block = allocator::malloc(BlockLen::new(len).unwrap()).unwrap();
            assert_eq!(validate_address(block.as_ptr().expose_provenance()), Ok(()), "{len}");
            // SAFETY: the block was just made, nobody else knows it, and it is freed once.
            unsafe { allocator::free(block) };
        }
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn addresses_that_are_no_blocks_are_invalid() {
        assert!(has_headers());
        let words = vec![usize::MAX; 100];
        let inside = validate_address((&raw const words[50]).expose_provenance());
        assert!(matches!(inside, Err(InvalidAddress::BadHeader { .. })));
        let zeros = vec![0usize; 100];
        let behind = validate_address((&raw const zeros[50]).expose_provenance());
        assert_eq!(behind, Err(InvalidAddress::TooSmall { len: size_of::<usize>() }));
        assert_eq!(validate_address(16), Err(InvalidAddress::NotWritable));
        let mappings = read("/proc/self/maps").unwrap();
        let mut end = 0;
        let mut lonely = mappings.lines().filter_map(|line| {
            let (from, rest) = line.split_once('-')?;
            let (to, permissions) = rest.split_once(' ')?;
            let from = usize::from_str_radix(from, 16).ok()?;
            let before = std::mem::replace(&mut end, usize::from_str_radix(to, 16).ok()?);
            (permissions.starts_with("rw") && before < from).then_some(from)
        });
        assert_eq!(validate_address(lonely.next().unwrap()), Err(InvalidAddress::NoHeader));
    }
}
