//! Memory for tests.

use std::ptr;

use crate::os;

/// Memory that nobody has touched, aligned to a huge page. Tests cannot use the heap for this: what the allocator
/// writes before a block makes its first page resident.
pub(crate) struct Mapping {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
    map: *mut libc::c_void,
    mapped: usize,
}

const ALIGN: usize = 2 << 20;

impl Mapping {
    pub(crate) fn new(len: usize) -> Self {
        let mapped = len + ALIGN;
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at an address that the kernel chooses, replaces no other.
        let map = unsafe { libc::mmap(ptr::null_mut(), mapped, access, flags, -1, 0) };
        assert_ne!(map, libc::MAP_FAILED);
        let start = map.cast::<u8>().with_addr(map.addr().next_multiple_of(ALIGN));
        Self { start, len, map, mapped }
    }

    /// Which of its pages are resident.
    pub(crate) fn resident_pages(&self) -> Vec<bool> {
        let mut states = vec![false; self.len / os::page_size()];
        // SAFETY: all of these pages are mapped.
        unsafe { os::resident_pages(self.start, &mut states) }.expect("Linux tells");
        states
    }

    /// How many bytes of it are in huge pages.
    pub(crate) fn huge_bytes(&self) -> usize {
        let text = std::fs::read_to_string("/proc/self/smaps").expect("Linux tells");
        let mut inside = false;
        let mut kib = 0;
        for line in text.lines() {
            let first = line.split(['-', ' ']).next().unwrap_or_default();
            if let Ok(address) = usize::from_str_radix(first, 16) {
                inside = (self.start.addr()..self.start.addr() + self.len).contains(&address);
            } else if let Some(rest) = line.strip_prefix("AnonHugePages:").filter(|_| inside) {
                kib += rest.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
            }
        }
        kib * 1024
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody uses the mapping any more.
        unsafe { libc::munmap(self.map, self.mapped) };
    }
}
