//! Makes many pages resident: with few calls, as huge pages if the system has them, and by several threads.

use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::pages::{Contents, touch_pages};
use crate::residency::{Run, for_each_run, pages_of};
use crate::{fault, os};

/// From this length on, one call into the kernel takes less time than a page fault for each page.
const CALL_FROM: usize = 64 << 10;

/// How much each thread must have to do. That takes several times as long as starting the thread.
const SHARE: usize = 16 << 20;

/// More threads than this do not help, because the memory itself is busy then.
const MOST_THREADS: usize = 8;

/// How much is populated in one call. It still fits into the cache when it is filled afterwards. And during a call no
/// other thread can map memory, not even one that is starting.
const CHUNK: usize = 2 << 20;

/// Bytes that are made resident step by step.
pub(super) struct Populating {
    bytes: Bytes,
    /// The pages of the whole block, including those that are not touched.
    mapping: Range<usize>,
    /// Whether the system was already asked for huge pages.
    advised: bool,
}

/// Some bytes, and what they hold.
#[derive(Clone, Copy)]
struct Bytes {
    start: *mut u8,
    len: usize,
    contents: Contents,
}

/// Bytes that several threads populate, chunk by chunk.
struct Chunks {
    bytes: Bytes,
    /// The index of the first chunk that no thread has taken.
    next: AtomicUsize,
}

// SAFETY: whoever makes one owns the bytes, and ensures that nobody else uses them in a way that their contents forbid.
// Each chunk is taken by one thread.
unsafe impl Sync for Chunks {}

impl Populating {
    /// `mapping` is where the block's pages are, as far as known.
    ///
    /// # Safety
    ///
    /// The `len` bytes must be writable memory of one block, which the caller owns. Except for [`Contents::Kept`],
    /// nobody else may access them while this is used.
    pub(super) unsafe fn new(start: *mut u8, len: usize, contents: Contents, mapping: Range<usize>) -> Self {
        Self { bytes: Bytes { start, len, contents }, mapping, advised: false }
    }

    /// Makes `len` bytes resident, from the byte at offset `from` on.
    ///
    /// # Safety
    ///
    /// They must lie in the bytes that `new` was given.
    pub(super) unsafe fn step(&mut self, from: usize, len: usize) {
        // This populates whole pages. A page that the block shares with its neighbours is mapped and writable too, and
        // its contents do not change.
        // SAFETY: passed on from the caller.
        unsafe {
            let step = self.bytes.part(from, len);
            if for_each_run(step.start, len, |run| self.touch_run(step.within(run), run)).is_err() {
                // The system does not tell, so no page is assumed to be resident.
                let (start, len) = pages_of(step.start, len);
                self.touch_run(step, Run { start, len, resident: false });
            }
        }
    }

    /// Makes the pages of one run resident, and fills the bytes.
    ///
    /// # Safety
    ///
    /// `bytes` must be the bytes of the step that lie in these pages.
    unsafe fn touch_run(&mut self, bytes: Bytes, run: Run) {
        if run.resident {
            // SAFETY: passed on from the caller.
            unsafe { bytes.fill() };
            return;
        }
        // SAFETY: as above.
        unsafe {
            if !self.advised
                && let Some(huge) = huge_page_in(run)
            {
                self.advise(huge);
            }
            populate(bytes);
        }
    }

    /// Asks the system for huge pages for the block, but not after its last whole huge page, where one would make
    /// memory resident that nobody asked for. To prevent that, small pages are made resident there first.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
    unsafe fn advise(&mut self, huge: usize) {
        self.advised = true;
        let Bytes { start, len, .. } = self.bytes;
        let tail = (start.addr() + len).next_multiple_of(os::page_size()) / huge * huge;
        let tail = tail.saturating_sub(start.addr()).min(len);
        // SAFETY: the tail is a part of the bytes. Its contents are kept, or are filled later.
        unsafe {
            self.bytes.part(tail, len - tail).bring_in();
            os::advise_huge(self.bytes.start.with_addr(self.mapping.start), self.mapping.len(), true);
        }
    }
}

impl Drop for Populating {
    /// Takes back the request for huge pages: it must not apply to pages that are not resident, as others may touch
    /// them.
    fn drop(&mut self) {
        if self.advised {
            // SAFETY: as in `advise`.
            unsafe { os::advise_huge(self.bytes.start.with_addr(self.mapping.start), self.mapping.len(), false) };
        }
    }
}

impl Bytes {
    /// The `len` bytes from offset `from` on.
    ///
    /// # Safety
    ///
    /// There must be that many.
    unsafe fn part(self, from: usize, len: usize) -> Self {
        // SAFETY: passed on from the caller.
        Self { start: unsafe { self.start.add(from) }, len, ..self }
    }

    /// The bytes that lie in the pages of a run. There may be none.
    fn within(self, run: Run) -> Self {
        let (start, len) = run.within(self.start, self.len);
        Self { start, len, ..self }
    }

    /// Makes the bytes resident, in one call or by a write to each page. Does not give them contents.
    ///
    /// # Safety
    ///
    /// The caller must own them.
    unsafe fn bring_in(self) {
        let (first, len) = pages_of(self.start, self.len);
        // SAFETY: passed on from the caller. Each of the pages holds one of the caller's bytes.
        unsafe {
            if self.len < CALL_FROM || !os::populate(first, len) {
                touch_pages(self.start, self.len, os::page_size(), self.contents);
            }
        }
    }

    /// Gives the bytes, which are resident, their contents.
    ///
    /// # Safety
    ///
    /// The caller must own them.
    unsafe fn fill(self) {
        if let Contents::Byte(byte) = self.contents {
            // SAFETY: passed on from the caller.
            unsafe { self.start.write_bytes(byte, self.len) };
        }
    }
}

impl Chunks {
    /// Makes chunks resident and gives them their contents, until no chunk is left.
    ///
    /// # Safety
    ///
    /// The caller must own the bytes.
    unsafe fn populate(&self) {
        while let Some(chunk) = self.take() {
            // SAFETY: passed on from the caller.
            unsafe {
                chunk.bring_in();
                chunk.fill();
            }
        }
    }

    /// Takes the next chunk. Chunks end at boundaries of their length, so that no huge page lies in two chunks.
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

/// Makes bytes resident of which some or all are not.
///
/// # Safety
///
/// The caller must own them.
unsafe fn populate(bytes: Bytes) {
    let threads = threads_for(bytes.len);
    let chunks = Chunks { bytes, next: AtomicUsize::new(0) };
    if threads == 1 {
        // SAFETY: passed on from the caller.
        return unsafe { chunks.populate() };
    }
    let started = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = || {
            started.fetch_add(1, Ordering::Relaxed);
            // SAFETY: each chunk is taken by one thread, and the scope does not end before the threads do.
            unsafe { chunks.populate() };
        };
        let others = (1..threads)
            .filter(|_| !fault::strikes() && thread::Builder::new().spawn_scoped(scope, work).is_ok())
            .count();
        // A thread maps memory when it starts, and cannot do so while another one populates.
        while started.load(Ordering::Relaxed) < others {
            thread::yield_now();
        }
        // SAFETY: as above.
        unsafe { chunks.populate() };
    });
}

/// How many threads populate this many bytes: at most as many as the process has processors.
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
    use crate::testing::Mapping;

    const MIB: usize = 1 << 20;

    /// Compares slices, because single bytes take long in a test build.
    fn all_are(bytes: &[u8], byte: u8) -> bool {
        let expected = vec![byte; MIB];
        bytes.chunks(MIB).all(|chunk| *chunk == expected[..chunk.len()])
    }

    /// # Safety
    ///
    /// The bytes must lie in the mapping, and nobody else may use it.
    unsafe fn populating(memory: &Mapping, from: usize, len: usize, contents: Contents) -> Populating {
        let page = os::page_size();
        let mapping = (memory.start.addr() + from) / page * page..memory.start.addr() + memory.len;
        // SAFETY: passed on from the caller.
        unsafe { Populating::new(memory.start.add(from), len, contents, mapping) }
    }

    /// Touches a part of a new mapping. The pages `there` are resident before, and hold a seven everywhere. Afterwards
    /// exactly that part and those pages must be resident.
    fn touched_is_exactly(from: usize, len: usize, there: &[usize], contents: Contents) {
        let page = os::page_size();
        let memory = Mapping::new((from + len).next_multiple_of(2 * MIB) + 2 * MIB);
        for index in there {
            // SAFETY: a page of the mapping, which only this test uses.
            unsafe { memory.start.add(index * page).write_bytes(7, page) };
        }
        // SAFETY: the bytes lie in the mapping, which only this test uses.
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
        // SAFETY: a new mapping holds zeros, and nobody writes to it any more.
        let bytes = unsafe { std::slice::from_raw_parts(memory.start.add(from), len) };
        match contents {
            Contents::Byte(byte) => assert!(all_are(bytes, byte)),
            Contents::Kept => {
                // SAFETY: as above. This is the whole mapping.
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
    fn several_steps_make_everything_resident() {
        let memory = Mapping::new(8 * MIB);
        // SAFETY: only this test uses the mapping, and the steps lie in it.
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
        // SAFETY: only this test uses the mapping.
        unsafe { populating(&memory, 16, 6 * huge, Contents::Fresh).step(0, 6 * huge) };
        let got = memory.huge_bytes();
        assert!(got == 6 * huge || got == 0, "{got} bytes are in huge pages");
        if got == 0 {
            eprintln!("NOT TESTED: the system had no huge page to give");
        }
    }
}
