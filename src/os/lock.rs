//! Memory that is neither swapped nor dumped: on Linux and FreeBSD.

use std::io;

#[cfg(target_os = "linux")]
const HIDE: libc::c_int = libc::MADV_DONTDUMP;
#[cfg(target_os = "linux")]
const SHOW: libc::c_int = libc::MADV_DODUMP;
#[cfg(target_os = "freebsd")]
const HIDE: libc::c_int = libc::MADV_NOCORE;
#[cfg(target_os = "freebsd")]
const SHOW: libc::c_int = libc::MADV_CORE;

/// Leaves whole pages out of core dumps.
///
/// # Safety
///
/// `start` must be page-aligned, and the `len` bytes the caller's.
pub(crate) unsafe fn hide_from_dumps(start: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: the advice changes no contents.
    done(unsafe { libc::madvise(start.cast(), len, HIDE) })
}

/// Undoes [`hide_from_dumps`].
///
/// # Safety
///
/// As there.
pub(crate) unsafe fn show_in_dumps(start: *mut u8, len: usize) {
    // SAFETY: the advice changes no contents. Refused, the pages stay hidden, which harms nobody.
    unsafe { libc::madvise(start.cast(), len, SHOW) };
}

/// Makes whole pages resident, and keeps them so.
///
/// # Safety
///
/// As for [`hide_from_dumps`].
pub(crate) unsafe fn lock(start: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: locking changes no contents.
    done(unsafe { libc::mlock(start.cast(), len) })
}

/// Undoes [`lock`].
///
/// # Safety
///
/// As there.
pub(crate) unsafe fn unlock(start: *mut u8, len: usize) {
    // SAFETY: unlocking changes no contents. What the system does not unlock is unlocked as it is unmapped.
    unsafe { libc::munlock(start.cast(), len) };
}

/// The most bytes that the process may lock; `None` if there is no limit, or the system does not tell.
pub(crate) fn lock_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a place to write to.
    let answer = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    #[allow(clippy::unnecessary_cast, reason = "signed on some systems")]
    (answer == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as u64)
}

fn done(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
