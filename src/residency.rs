//! Residency: asks the operating system which pages are in physical memory.

use std::io;

use crate::os;

/// How many pages one call asks about. Their states fit on the stack.
const CHUNK: usize = 1024;

/// Adjacent pages of which all are resident, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The address of the first page.
    pub(crate) start: *mut u8,
    /// In bytes.
    pub(crate) len: usize,
    pub(crate) resident: bool,
}

impl Run {
    /// The part of the `len` bytes from `start` on that lies in these pages: its start and its length, which may be 0.
    pub(crate) fn within(self, start: *mut u8, len: usize) -> (*mut u8, usize) {
        let from = start.addr().max(self.start.addr());
        let to = (start.addr() + len).min(self.start.addr() + self.len);
        (start.with_addr(from), to.saturating_sub(from))
    }
}

/// The whole pages that bytes lie in: where the first one starts, and how long they are together.
pub(crate) fn pages_of(start: *mut u8, len: usize) -> (*mut u8, usize) {
    let page = os::page_size();
    let first = start.addr() / page * page;
    (start.with_addr(first), (start.addr() + len).next_multiple_of(page) - first)
}

/// Calls `visit` for each run of the pages that the bytes lie in, in the order of their addresses.
///
/// On an error some runs may have been visited. It is [`io::ErrorKind::Unsupported`] if the system cannot tell.
///
/// # Safety
///
/// The bytes must stay mapped during the call.
pub(crate) unsafe fn for_each_run(start: *mut u8, len: usize, mut visit: impl FnMut(Run)) -> io::Result<()> {
    let page = os::page_size();
    let (first, len) = pages_of(start, len);
    let mut run = Run { start: first, len: 0, resident: false };
    let mut states = [false; CHUNK];
    for chunk in (0..len).step_by(CHUNK * page) {
        let states = &mut states[..((len - chunk) / page).min(CHUNK)];
        // SAFETY: each of these pages holds at least one of the caller's bytes.
        unsafe { os::resident_pages(first.add(chunk), states)? };
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
    Ok(())
}

/// How many of the `len` bytes from `start` on lie in resident pages.
///
/// # Safety
///
/// As for [`for_each_run`].
pub(crate) unsafe fn resident_bytes(start: *mut u8, len: usize) -> io::Result<usize> {
    let mut resident = 0;
    // SAFETY: passed on from the caller.
    unsafe { for_each_resident(start, len, |_, len| resident += len)? };
    Ok(resident)
}

/// Calls `visit` with the start and the length of each part of the bytes that lies in resident pages, in the order of
/// their addresses.
///
/// # Safety
///
/// As for [`for_each_run`].
pub(crate) unsafe fn for_each_resident(
    start: *mut u8,
    len: usize,
    mut visit: impl FnMut(*mut u8, usize),
) -> io::Result<()> {
    let visit_resident = |run: Run| {
        if run.resident {
            let (from, len) = run.within(start, len);
            visit(from, len);
        }
    };
    // SAFETY: passed on from the caller.
    unsafe { for_each_run(start, len, visit_resident) }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_was_touched() {
        let page = os::page_size();
        let pages = 3 * CHUNK;
        let memory = crate::testing::Mapping::new(pages * page);
        let touched = [3, 4, 5, CHUNK - 1, CHUNK, 2 * CHUNK, pages - 1];
        for index in touched {
            // SAFETY: a page of the mapping, which only this test uses.
            unsafe { memory.start.add(index * page).write_volatile(1) };
        }
        let mut states = vec![];
        // SAFETY: all of the mapping.
        unsafe {
            for_each_run(memory.start, pages * page, |run| {
                assert_eq!(run.start.addr(), memory.start.addr() + states.len() * page);
                assert_ne!(Some(&run.resident), states.last(), "two runs where there is one");
                states.resize(states.len() + run.len / page, run.resident);
            })
            .expect("Linux tells");
        }
        assert_eq!(states.len(), pages);
        for (index, resident) in states.iter().enumerate() {
            assert_eq!(*resident, touched.contains(&index), "page {index}");
        }
    }
}
