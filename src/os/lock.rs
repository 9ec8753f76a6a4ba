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

/// Keeps whole pages resident, from the moment on in which each comes. Where the system cannot wait for that, they come at
/// once.
///
/// # Safety
///
/// As for [`hide_from_dumps`].
pub(crate) unsafe fn lock(start: *mut u8, len: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        /// Since Linux 4.4; the C library has a name for the call since later than those that are supported.
        const MLOCK_ONFAULT: libc::c_uint = 1;
        // SAFETY: locking changes no contents.
        if unsafe { libc::syscall(libc::SYS_mlock2, start, len, MLOCK_ONFAULT) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) {
            return Err(error);
        }
    }
    // SAFETY: locking changes no contents.
    done(unsafe { libc::mlock(start.cast(), len) })
}

/// Undoes [`lock`], and what `mlockall` did to these pages: locks are not counted.
///
/// # Safety
///
/// As there.
pub(crate) unsafe fn unlock(start: *mut u8, len: usize) {
    // SAFETY: unlocking changes no contents. Pages that cannot be unlocked, as the process has all the mappings that
    // it may have, stay locked until they are unmapped.
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
