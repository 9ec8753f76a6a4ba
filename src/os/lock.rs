//! Memory that is neither swapped nor written to core dumps, on Linux and FreeBSD.

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
/// `start` must be page-aligned, and the caller must own the `len` bytes.
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
    // SAFETY: the advice changes no contents. If it is refused, the pages stay hidden, which does no harm.
    unsafe { libc::madvise(start.cast(), len, SHOW) };
}

/// Keeps each of these whole pages resident from its first use on. Systems without such a lock make all of them
/// resident at once.
///
/// # Safety
///
/// As for [`hide_from_dumps`].
pub(crate) unsafe fn lock(start: *mut u8, len: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        /// Since Linux 4.4. The call is made by its number, as the oldest supported C libraries have no function for
        /// it.
        const MLOCK_ONFAULT: libc::c_uint = 1;
        // SAFETY: locking changes no contents.
        if unsafe { libc::syscall(libc::SYS_mlock2, start, len, MLOCK_ONFAULT) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        // A sandbox that does not know the call answers EPERM.
        if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::EPERM)) {
            return Err(error);
        }
    }
    // SAFETY: locking changes no contents.
    done(unsafe { libc::mlock(start.cast(), len) })
}

/// Undoes [`lock`], and also what `mlockall` did to these pages: the system does not count locks.
///
/// # Safety
///
/// As there.
pub(crate) unsafe fn unlock(start: *mut u8, len: usize) {
    // SAFETY: unlocking changes no contents. It fails if the process already has as many mappings as it may have; then
    // the pages stay locked until they are unmapped.
    unsafe { libc::munlock(start.cast(), len) };
}

/// How many bytes the process may lock; `None` if there is no limit, or if the system does not tell.
pub(crate) fn lock_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid to write to.
    let answer = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    #[allow(clippy::unnecessary_cast, reason = "signed on some systems")]
    (answer == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as u64)
}

fn done(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
