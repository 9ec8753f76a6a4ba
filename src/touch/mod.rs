//! Touching: putting every page of a run of bytes into physical memory.
//!
//! A fresh page of anonymous memory is only a promise. A write to it makes the kernel keep the
//! promise ([`pages`]), which is what costs. Memory that the allocator had in use before is resident
//! already, and must cost next to nothing: a large run is therefore asked about first
//! ([`residency`](crate::residency)), and what is missing is brought in by few calls and huge pages, where the system
//! offers them ([`populate`]).

mod pages;
mod populate;

use std::ptr::NonNull;

use self::pages::touch_or_fill;
use self::populate::Populating;
use crate::error::OutOfMemory;
use crate::{budget, os, placement};

/// From here on to ask what is resident takes less time than to write to each page that may be. Below,
/// what populating saves for a block that is new is lost a hundred times for those that are not.
const ASK_FROM: usize = 1 << 20;

/// What the bytes hold before they are touched, or are to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing that matters, or zeros: a zero may be written anywhere.
    Fresh,
    /// Bytes that must stay as they are, while C code may be writing to them.
    Kept,
    /// Nothing that matters, but this byte everywhere afterwards.
    Byte(u8),
}

/// Makes the bytes from `from` to `to` of a block resident, the partial pages at both ends included.
///
/// Large runs are populated in steps; before each of them the memory that is left is asked for
/// anew. On an error a part of the run may be resident; no contents that are kept have changed.
///
/// # Safety
///
/// `block` must be a live block of the C allocator with at least `to` bytes, owned by the caller. Unless
/// for [`Contents::Kept`] nobody else may access the bytes during the call.
pub(crate) unsafe fn touch(block: NonNull<u8>, from: usize, to: usize, contents: Contents) -> Result<(), OutOfMemory> {
    // SAFETY: `from` is at most `to`, and the block has so many bytes.
    let start = unsafe { block.as_ptr().add(from) };
    let len = to - from;
    if len < ASK_FROM || !os::BRINGS_MANY {
        // SAFETY: each step lies in the run; otherwise passed on from the caller.
        return in_steps(len, |done, step| unsafe { touch_or_fill(start.add(done), step, os::page_size(), contents) });
    }
    // SAFETY: passed on from the caller.
    let mut populating = unsafe { Populating::new(start, len, contents, placement::mapping(block, to)) };
    // SAFETY: each step lies in the run.
    in_steps(len, |done, step| unsafe { populating.step(done, step) })
}

/// Calls `touch_step` with parts of `len` bytes, one after the other, each by how much is done and how
/// much to do.
#[inline]
fn in_steps(len: usize, mut touch_step: impl FnMut(usize, usize)) -> Result<(), OutOfMemory> {
    let mut done = 0;
    while done < len {
        let step = budget::step(len, done)?;
        touch_step(done, step);
        done += step;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux", not(miri)))]
pub(crate) mod testing {
    use std::ptr;

    use crate::os;

    /// Memory that nobody has touched, on the boundary of a huge page. The heap is no place for these tests:
    /// what the allocator writes in front of a block makes the first page resident.
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
            // SAFETY: a new mapping.
            let map = unsafe { libc::mmap(ptr::null_mut(), mapped, access, flags, -1, 0) };
            assert_ne!(map, libc::MAP_FAILED);
            let start = map.cast::<u8>().with_addr(map.addr().next_multiple_of(ALIGN));
            Self { start, len, map, mapped }
        }

        pub(crate) fn resident_pages(&self) -> Vec<bool> {
            let mut states = vec![false; self.len / os::page_size()];
            // SAFETY: all of these pages are mapped.
            unsafe { os::resident_pages(self.start, &mut states) }.expect("Linux tells");
            states
        }

        /// How much of the process's memory that is mapped from here on is in huge pages.
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
}
