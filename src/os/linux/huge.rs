//! Transparent huge pages.

use std::fs;
use std::sync::OnceLock;

const SETTINGS: &str = "/sys/kernel/mm/transparent_hugepage";

/// The size of the pages that `MADV_HUGEPAGE` asks for; `None` if the system has none or never gives any.
pub(crate) fn huge_page_size() -> Option<usize> {
    static SIZE: OnceLock<Option<usize>> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let read = |name: &str| fs::read_to_string(format!("{SETTINGS}/{name}")).ok();
        parse(&read("enabled")?, &read("hpage_pmd_size")?)
    })
}

fn parse(enabled: &str, size: &str) -> Option<usize> {
    if enabled.contains("[never]") {
        return None;
    }
    size.trim().parse().ok().filter(|size: &usize| size.is_power_of_two())
}

/// `MADV_HUGEPAGE`, or `MADV_NOHUGEPAGE`.
///
/// # Safety
///
/// `start` must be page-aligned.
pub(crate) unsafe fn advise_huge(start: *mut u8, len: usize, wanted: bool) {
    let advice = if wanted { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
    // SAFETY: the advice changes no contents; `madvise` itself refuses what is not mapped.
    unsafe { libc::madvise(start.cast(), len, advice) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_used_unless_they_are_never_given() {
        assert_eq!(parse("always [madvise] never\n", "2097152\n"), Some(2 << 20));
        assert_eq!(parse("[always] madvise never\n", "536870912\n"), Some(512 << 20));
        assert_eq!(parse("always madvise [never]\n", "2097152\n"), None);
        assert_eq!(parse("[always] madvise never\n", "much\n"), None);
        assert_eq!(parse("[always] madvise never\n", "3\n"), None);
    }
}
