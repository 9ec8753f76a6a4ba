//! Larger pages than this machine has, in builds for tests with `--cfg mocked_pages`: `npm run test:pages`.
//!
//! A mocked page is some real ones side by side. It is resident once any of them is: a system with such pages would
//! have brought in all of it.

use std::io;
use std::sync::OnceLock;

use super::{platform, real_page_size};

/// What the environment variable `CMALLOC_PAGE_SIZE` says, a multiple of the real size.
pub(super) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let real = real_page_size();
        let text = std::env::var("CMALLOC_PAGE_SIZE").unwrap_or_default();
        let size = text.parse().unwrap_or(real);
        assert!(size.is_power_of_two() && size >= real, "{size} is no multiple of pages of {real} bytes");
        size
    })
}

/// Which of the mocked pages from `start` on are resident.
///
/// # Safety
///
/// `start` must be on the boundary of a mocked page, and a part of each page mapped.
pub(super) unsafe fn resident_pages(start: *const u8, states: &mut [bool]) -> io::Result<()> {
    let (size, real) = (page_size(), real_page_size());
    for (index, state) in states.iter_mut().enumerate() {
        let mut parts = vec![false; size / real];
        let page = start.wrapping_add(index * size);
        // SAFETY: `mincore` itself refuses what is not mapped.
        if unsafe { platform::resident_pages(page, &mut parts) }.is_err() {
            // A mocked page may begin before the memory that it is about, or end behind it.
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
