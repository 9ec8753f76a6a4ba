//! Which pages of a run are resident already.

use crate::os;

/// How many pages are asked about in one call.
const CHUNK: usize = 1024;

/// Pages that lie side by side and are resident all, or none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The address of the first page.
    pub(super) start: *mut u8,
    /// In bytes.
    pub(super) len: usize,
    pub(super) resident: bool,
}

/// Calls `visit` with each run of the pages from `start` on, in their order. Where the system does not
/// tell, none is resident.
///
/// # Safety
///
/// `start` must be page-aligned, and each of the `len` bytes mapped; `len` is a multiple of the page.
pub(super) unsafe fn for_each_run(start: *mut u8, len: usize, mut visit: impl FnMut(Run)) {
    let page = os::page_size();
    let mut run = Run { start, len: 0, resident: false };
    let mut states = [false; CHUNK];
    for chunk in (0..len).step_by(CHUNK * page) {
        let states = &mut states[..((len - chunk) / page).min(CHUNK)];
        // SAFETY: these pages are among those that the caller vouches for.
        if unsafe { os::resident_pages(start.add(chunk), states) }.is_err() {
            states.fill(false);
        }
        for same in states.chunk_by(|a, b| a == b) {
            if same[0] != run.resident && run.len > 0 {
                visit(run);
                run = Run { start: run.start.wrapping_add(run.len), len: 0, resident: false };
            }
            run.resident = same[0];
            run.len += same.len() * page;
        }
    }
    if run.len > 0 {
        visit(run);
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_was_touched() {
        let page = os::page_size();
        let pages = 3 * CHUNK;
        let memory = crate::touch::testing::Mapping::new(pages * page);
        let touched = [3, 4, 5, CHUNK - 1, CHUNK, 2 * CHUNK, pages - 1];
        for index in touched {
            // SAFETY: a page of the mapping, which is this test's.
            unsafe { memory.start.add(index * page).write_volatile(1) };
        }
        let mut states = vec![];
        // SAFETY: all of the mapping.
        unsafe {
            for_each_run(memory.start, pages * page, |run| {
                assert_eq!(run.start.addr(), memory.start.addr() + states.len() * page);
                assert_ne!(Some(&run.resident), states.last(), "two runs where there is one");
                states.resize(states.len() + run.len / page, run.resident);
            });
        }
        assert_eq!(states.len(), pages);
        for (index, resident) in states.iter().enumerate() {
            assert_eq!(*resident, touched.contains(&index), "page {index}");
        }
    }
}
