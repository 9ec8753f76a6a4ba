//! Systems on which every page is written to: they have no call that brings many pages in.

/// There is no way but to write to each page.
pub(crate) const BRINGS_MANY: bool = false;

/// None that could be asked for.
pub(crate) fn huge_page_size() -> Option<usize> {
    None
}

/// There are none.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn advise_huge(_start: *mut u8, _len: usize, _wanted: bool) {}

/// There is no call that populates a range.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn populate(_start: *mut u8, _len: usize) -> bool {
    false
}

/// Pages that are given back need not be zero when they come again.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn discard(_start: *mut u8, _len: usize) -> bool {
    false
}
