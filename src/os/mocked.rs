//! Larger pages than this machine has, for tests: builds with `--cfg mocked_pages`, which `npm run test:pages` makes.
//!
//! A mocked page is several real pages in a row. It counts as resident if any of them is, because a system with such
//! pages would have brought in the whole page.

use std::io;
use std::sync::OnceLock;

use super::platform;

/// The environment variable `CMALLOC_PAGE_SIZE`, which must be a multiple of the real size.
pub(super) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let real = platform::page_size();
        let text = std::env::var("CMALLOC_PAGE_SIZE").unwrap_or_default();
        let size = text.parse().unwrap_or(real);
        assert!(
            size.is_power_of_two() && size >= real,
            "{size} is not a multiple of this machine's page size, {real} bytes"
        );
        size
    })
}

/// Which of the mocked pages from `start` on are resident.
///
/// # Safety
///
/// `start` must be aligned to a mocked page, and at least a part of each page must be mapped.
pub(super) unsafe fn resident_pages(start: *const u8, states: &mut [bool]) -> io::Result<()> {
    let (size, real) = (page_size(), platform::page_size());
    for (index, state) in states.iter_mut().enumerate() {
        let mut parts = vec![false; size / real];
        let page = start.wrapping_add(index * size);
        // SAFETY: `mincore` itself refuses what is not mapped.
        if unsafe { platform::resident_pages(page, &mut parts) }.is_err() {
            // A mocked page may begin before the mapped memory, or end after it.
            for (part, resident) in parts.iter_mut().enumerate() {
                let mut one = [false];
                // SAFETY: as above.
                let answer = unsafe { platform::resident_pages(page.wrapping_add(part * real), &mut one) };
                *resident = answer.is_ok() && one[0];
            }
        }
        *state = parts.contains(&true);
    }
    Ok(())
}
