//! Whether there can be a block at an address: what is mapped, and what the allocator's books say.

use std::ptr;
use std::sync::OnceLock;

use super::{read, usable_size};
use crate::allocator;
use crate::os::Doubt;

/// What glibc keeps before each block: the size of the block before it, then this one's.
const HEADER: usize = 2 * size_of::<usize>();

/// Why there can be no block of `malloc` at an address. Reads nothing that is not mapped, and is silent if
/// the kernel does not tell what is.
pub(crate) fn doubt(address: usize) -> Option<Doubt> {
    if is_writable(address, 1) == Some(false) {
        return Some(Doubt::NotWritable);
    }
    if !has_headers() {
        return None;
    }
    if is_writable(address.checked_sub(HEADER)?, HEADER) == Some(false) {
        return Some(Doubt::NoHeader);
    }
    let len = len_by_header(address);
    // C's own look at a block reads the header of the one behind it.
    (is_writable(address, len) == Some(false)).then_some(Doubt::Nonsense { len })
}

/// Whether the allocator keeps headers as glibc does: musl does not, nor does one that was loaded instead.
fn has_headers() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        [24, 1000, 5000].iter().all(|len| {
            let Some(block) = allocator::malloc(*len) else { return false };
            let address = block.as_ptr().expose_provenance();
            // SAFETY: the block was just made, and is nobody else's; it is freed once.
            unsafe {
                let held = usable_size(block);
                let found = is_writable(address - HEADER, HEADER) == Some(true) && held == Some(len_by_header(address));
                allocator::free(block);
                found
            }
        })
    })
}

/// What a block can hold by the header before it, which must be mapped.
fn len_by_header(address: usize) -> usize {
    /// The lowest three bits are flags; the second says that the block is a mapping of its own.
    const FLAGS: usize = 7;
    const MAPPED: usize = 2;

    let header = ptr::with_exposed_provenance::<usize>(address - size_of::<usize>());
    // SAFETY: the caller made sure that the word can be read. Volatile, as it is none of Rust's.
    let word = unsafe { header.read_volatile() };
    let shared = if word & MAPPED == 0 { size_of::<usize>() } else { 0 };
    (word & !FLAGS).saturating_sub(HEADER).saturating_add(shared)
}

/// Whether every byte of a run is mapped, to be read and written; `None` if the kernel does not tell.
fn is_writable(start: usize, len: usize) -> Option<bool> {
    covers(&read("/proc/self/maps")?, start, len)
}

/// The lines are sorted, and mappings that touch may have a line each.
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
    fn blocks_are_not_doubted_whatever_their_size() {
        for len in [1, 8, 24, 25, 1000, 100_000, 200_000, 40 << 20] {
            let block = allocator::malloc(len).unwrap();
            assert!(doubt(block.as_ptr().expose_provenance()).is_none(), "{len}");
            // SAFETY: the block was just made, and is nobody else's.
            unsafe { allocator::free(block) };
        }
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_is_no_block_is_doubted() {
        assert!(has_headers());
        let words = vec![usize::MAX; 100];
        assert!(matches!(doubt((&raw const words[50]).expose_provenance()), Some(Doubt::Nonsense { .. })));
        assert!(matches!(doubt(16), Some(Doubt::NotWritable)));
        let mappings = read("/proc/self/maps").unwrap();
        let mut end = 0;
        let mut lonely = mappings.lines().filter_map(|line| {
            let (from, rest) = line.split_once('-')?;
            let (to, permissions) = rest.split_once(' ')?;
            let from = usize::from_str_radix(from, 16).ok()?;
            let before = std::mem::replace(&mut end, usize::from_str_radix(to, 16).ok()?);
            (permissions.starts_with("rw") && before < from).then_some(from)
        });
        assert!(matches!(doubt(lonely.next().unwrap()), Some(Doubt::NoHeader)));
    }
}
