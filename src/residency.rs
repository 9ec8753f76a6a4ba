//! Residency: how much of a run of bytes lies in physical memory, asked of the operating system.

use std::io;

use crate::os;

/// How many pages are asked about in one call: their states fit on the stack.
const CHUNK_PAGES: usize = 1024;

/// The number of bytes from `start` to `start + len` that lie in resident pages.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] where the system cannot tell, and what the system answered
/// otherwise.
///
/// # Safety
///
/// The bytes must be mapped memory for the time of the call.
pub(crate) unsafe fn resident_bytes(start: *const u8, len: usize) -> io::Result<usize> {
    let page = os::page_size();
    let end = start.addr() + len;
    let mut resident = 0;
    let mut states = [false; CHUNK_PAGES];
    let mut cursor = start.addr() / page * page;
    while cursor < end {
        let pages = (end - cursor).div_ceil(page).min(CHUNK_PAGES);
        // SAFETY: the pages from `cursor` on each hold at least one byte of the caller's mapped run.
        unsafe { os::resident_pages(start.with_addr(cursor), &mut states[..pages])? };
        for (index, state) in states[..pages].iter().enumerate() {
            let page_start = cursor + index * page;
            if *state {
                resident += (page_start + page).min(end) - page_start.max(start.addr());
            }
        }
        cursor += pages * page;
    }
    Ok(resident)
}
