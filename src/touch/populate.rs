//! Many pages in one call, in huge ones where the system has them, by several threads.

use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Contents;
use super::pages::touch_pages;
use crate::residency::{Run, for_each_run, pages_of};
use crate::{fault, os};

/// From here on a call into the kernel costs less than a page fault for each page.
const CALL_FROM: usize = 64 << 10;

/// What each thread must have to do for it to be started: several times what starting it takes.
const SHARE: usize = 16 << 20;

/// More threads than this wait for the memory, not for each other.
const MOST_THREADS: usize = 8;

/// What is populated in one call. Small enough to be in the cache still as it is filled; and during a call no other
/// thread can map memory, not even one that is just starting.
const CHUNK: usize = 2 << 20;

/// A run of bytes that is made resident, step by step.
pub(super) struct Populating {
    bytes: Bytes,
    /// The pages of the whole block, whether it is touched or not.
    mapping: Range<usize>,
    /// Whether the system was told already to use huge pages.
    advised: bool,
}

/// Some bytes, and what is to become of them.
#[derive(Clone, Copy)]
struct Bytes {
    start: *mut u8,
    len: usize,
    contents: Contents,
}

/// Bytes that several threads populate, piece by piece.
struct Chunks {
    bytes: Bytes,
    /// The first piece that nobody has taken.
    next: AtomicUsize,
}

// SAFETY: whoever makes one vouches for it that nobody else uses the bytes, but as their contents allow; and each piece
// is taken by one thread.
unsafe impl Sync for Chunks {}

impl Populating {
    /// `mapping` is where the block's pages are, as far as that is known.
    ///
    /// # Safety
    ///
    /// The `len` bytes must be writable memory of one block of the caller's. Unless for [`Contents::Kept`] nobody
    /// else may access them as long as this is used.
    pub(super) unsafe fn new(start: *mut u8, len: usize, contents: Contents, mapping: Range<usize>) -> Self {
        Self { bytes: Bytes { start, len, contents }, mapping, advised: false }
    }

    /// Makes `len` bytes resident, from the byte `from` on.
    ///
    /// # Safety
    ///
    /// They must lie in the run.
    pub(super) unsafe fn step(&mut self, from: usize, len: usize) {
        // Whole pages: where the block shares one with its neighbours, it is mapped and writable all the
        // same, and populating changes nothing in it.
        // SAFETY: passed on from the caller.
        unsafe {
            let step = self.bytes.part(from, len);
            if for_each_run(step.start, len, |run| self.touch_run(step.within(run), run)).is_err() {
                // Where the system does not tell, nothing is thought to be there.
                let (start, len) = pages_of(step.start, len);
                self.touch_run(step, Run { start, len, resident: false });
            }
        }
    }

    /// # Safety
    ///
    /// `bytes` must be those of the run that lie in these pages.
    unsafe fn touch_run(&mut self, bytes: Bytes, run: Run) {
        if run.resident {
            // SAFETY: passed on from the caller.
            unsafe { bytes.fill() };
            return;
        }
        // SAFETY: likewise.
        unsafe {
            if !self.advised
                && let Some(huge) = huge_page_in(run)
            {
                self.advise(huge);
            }
            populate(bytes);
        }
    }

    /// Has the system use huge pages for the block, but not for the pages behind its last whole huge page:
    /// it would make memory resident that nobody asked for. Small pages that are there already prevent that.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
    unsafe fn advise(&mut self, huge: usize) {
        self.advised = true;
        let Bytes { start, len, .. } = self.bytes;
        let tail = (start.addr() + len).next_multiple_of(os::page_size()) / huge * huge;
        let tail = tail.saturating_sub(start.addr()).min(len);
        // SAFETY: the tail is a part of the run; its contents stay, or are filled later.
        unsafe {
            self.bytes.part(tail, len - tail).bring_in();
            os::advise_huge(self.bytes.start.with_addr(self.mapping.start), self.mapping.len(), true);
        }
    }
}

impl Drop for Populating {
    /// Takes the advice back, as far as it concerns pages that are not there: they are not touched by us.
    fn drop(&mut self) {
        if self.advised {
            // SAFETY: as for the advice.
            unsafe { os::advise_huge(self.bytes.start.with_addr(self.mapping.start), self.mapping.len(), false) };
        }
    }
}

impl Bytes {
    /// # Safety
    ///
    /// There must be so many from `from` on.
    unsafe fn part(self, from: usize, len: usize) -> Self {
        // SAFETY: passed on from the caller.
        Self { start: unsafe { self.start.add(from) }, len, ..self }
    }

    /// Those that lie in the pages of a run, which may be empty.
    fn within(self, run: Run) -> Self {
        let (start, len) = run.within(self.start, self.len);
        Self { start, len, ..self }
    }

    /// Makes them resident, in one call or by a write to each page. What they are to hold is not written to them.
    ///
    /// # Safety
    ///
    /// They must be the caller's.
    unsafe fn bring_in(self) {
        let (first, len) = pages_of(self.start, self.len);
        // SAFETY: passed on from the caller; each of the pages holds a byte of the caller's.
        unsafe {
            if self.len < CALL_FROM || !os::populate(first, len) {
                touch_pages(self.start, self.len, os::page_size(), self.contents);
            }
        }
    }

    /// Fills them. They are resident.
    ///
    /// # Safety
    ///
    /// They must be the caller's.
    unsafe fn fill(self) {
        if let Contents::Byte(byte) = self.contents {
            // SAFETY: passed on from the caller.
            unsafe { self.start.write_bytes(byte, self.len) };
        }
    }
}

impl Chunks {
    fn new(bytes: Bytes) -> Self {
        Self { bytes, next: AtomicUsize::new(0) }
    }

    /// Makes pieces resident, and gives them their contents, until none is left.
    ///
    /// # Safety
    ///
    /// The bytes must be the caller's.
    unsafe fn populate(&self) {
        while let Some(chunk) = self.take() {
            // SAFETY: passed on from the caller.
            unsafe {
                chunk.bring_in();
                chunk.fill();
            }
        }
    }

    /// The next piece. The first one ends at a boundary, so that every huge page is in one piece.
    fn take(&self) -> Option<Bytes> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let Bytes { start, len, .. } = self.bytes;
        let boundary = |index: usize| (start.addr() / CHUNK + index) * CHUNK;
        let from = boundary(index).saturating_sub(start.addr());
        let to = (boundary(index + 1) - start.addr()).min(len);
        // SAFETY: `from` and `to` are within the bytes.
        (from < to).then(|| unsafe { self.bytes.part(from, to - from) })
    }
}

/// The size of a huge page, if one fits into the run.
fn huge_page_in(run: Run) -> Option<usize> {
    os::huge_page_size().filter(|huge| run.start.addr().next_multiple_of(*huge) + huge <= run.start.addr() + run.len)
}

/// Makes bytes resident that are not, or not all of them.
///
/// # Safety
///
/// They must be the caller's.
unsafe fn populate(bytes: Bytes) {
    let threads = threads_for(bytes.len);
    let chunks = Chunks::new(bytes);
    if threads == 1 {
        // SAFETY: passed on from the caller.
        return unsafe { chunks.populate() };
    }
    let started = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = || {
            started.fetch_add(1, Ordering::Relaxed);
            // SAFETY: each chunk is taken by one thread, and this function does not return before any of them.
            unsafe { chunks.populate() };
        };
        let others = (1..threads)
            .filter(|_| !fault::strikes() && thread::Builder::new().spawn_scoped(scope, work).is_ok())
            .count();
        // A thread maps memory as it starts, which it cannot as long as another populates.
        while started.load(Ordering::Relaxed) < others {
            thread::yield_now();
        }
        // SAFETY: likewise.
        unsafe { chunks.populate() };
    });
}

/// How many threads work on so many bytes: never more than the process may use.
fn threads_for(len: usize) -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    if len < 2 * SHARE {
        return 1;
    }
    let processors = *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get));
    processors.min(len / SHARE).clamp(1, MOST_THREADS)
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;
    use crate::touch::testing::Mapping;

    const MIB: usize = 1 << 20;

    /// Piece by piece, as a test build takes long for one byte.
    fn all_are(bytes: &[u8], byte: u8) -> bool {
        let expected = vec![byte; MIB];
        bytes.chunks(MIB).all(|chunk| *chunk == expected[..chunk.len()])
    }

    /// # Safety
    ///
    /// The bytes must be those of a mapping that nobody else uses.
    unsafe fn populating(memory: &Mapping, from: usize, len: usize, contents: Contents) -> Populating {
        let page = os::page_size();
        let mapping = (memory.start.addr() + from) / page * page..memory.start.addr() + memory.len;
        // SAFETY: passed on from the caller.
        unsafe { Populating::new(memory.start.add(from), len, contents, mapping) }
    }

    /// Touches a part of a new mapping in which some pages are there already, and hold a seven everywhere. What
    /// is resident afterwards must be exactly that part and those pages.
    fn touched_is_exactly(from: usize, len: usize, there: &[usize], contents: Contents) {
        let page = os::page_size();
        let memory = Mapping::new((from + len).next_multiple_of(2 * MIB) + 2 * MIB);
        for index in there {
            // SAFETY: a page of the mapping, which is this test's.
            unsafe { memory.start.add(index * page).write_bytes(7, page) };
        }
        // SAFETY: likewise all of the mapping.
        unsafe { populating(&memory, from, len, contents).step(0, len) };
        let states = memory.resident_pages();
        for (index, resident) in states.iter().enumerate() {
            let in_run = index * page < from + len && (index + 1) * page > from;
            assert_eq!(
                *resident,
                in_run || there.contains(&index),
                "page {index}: {len} bytes from {from}, {contents:?}"
            );
        }
        // SAFETY: a mapping is initialised, and nobody writes to it any more.
        let bytes = unsafe { std::slice::from_raw_parts(memory.start.add(from), len) };
        match contents {
            Contents::Byte(byte) => assert!(all_are(bytes, byte)),
            Contents::Kept => {
                // SAFETY: as above; the whole mapping, in which a page is seven everywhere or zero everywhere.
                let all = unsafe { std::slice::from_raw_parts(memory.start, memory.len) };
                for (index, bytes) in all.chunks(page).enumerate() {
                    let expected = if there.contains(&index) { 7 } else { 0 };
                    assert!(all_are(bytes, expected), "page {index}");
                }
            }
            Contents::Fresh => {}
        }
    }

    #[test]
    fn exactly_the_run_is_resident_afterwards() {
        let page = os::page_size();
        for contents in [Contents::Fresh, Contents::Kept, Contents::Byte(b'A')] {
            for from in [0, 16, page - 1, page, 2 * MIB - 1] {
                for len in [1, page, MIB, 2 * MIB, 4 * MIB, 5 * MIB + 17] {
                    touched_is_exactly(from, len, &[], contents);
                    touched_is_exactly(from, len, &[from / page, from / page + 1, (from + len) / page], contents);
                }
            }
            let scattered: Vec<usize> = (0..8 * MIB / page).step_by(5).collect();
            touched_is_exactly(16, 8 * MIB, &scattered, contents);
        }
    }

    #[test]
    fn several_threads_leave_nothing_out() {
        let len = 5 * SHARE + 12_345;
        for contents in [Contents::Fresh, Contents::Byte(3)] {
            touched_is_exactly(16, len, &[], contents);
            touched_is_exactly(16, len, &[len / 2 / os::page_size()], contents);
        }
    }

    #[test]
    fn what_several_steps_touch_is_resident() {
        let memory = Mapping::new(8 * MIB);
        // SAFETY: the mapping is this test's, and the steps lie in it.
        unsafe {
            let mut populating = populating(&memory, 16, 5 * MIB, Contents::Byte(1));
            populating.step(0, 3 * MIB + 5);
            populating.step(3 * MIB + 5, 2 * MIB - 5);
        }
        let resident = memory.resident_pages().iter().filter(|resident| **resident).count();
        assert_eq!(resident, 5 * MIB / os::page_size() + 1);
        // SAFETY: the bytes were filled.
        let bytes = unsafe { std::slice::from_raw_parts(memory.start.add(16), 5 * MIB) };
        assert!(all_are(bytes, 1));
    }

    #[test]
    fn a_run_that_huge_pages_fit_into_is_made_of_them() {
        let Some(huge) = os::huge_page_size() else { return };
        let memory = Mapping::new(8 * huge);
        // SAFETY: the mapping is this test's.
        unsafe { populating(&memory, 16, 6 * huge, Contents::Fresh).step(0, 6 * huge) };
        let got = memory.huge_bytes();
        assert!(got == 6 * huge || got == 0, "{got} bytes are in huge pages");
        if got == 0 {
            eprintln!("NOT TESTED: the system had no huge page to give");
        }
    }
}
