//! Paging on Unix: `madvise`, `mlock` and `mincore`, each of which has another vocabulary or other rules on every system.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as os;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use other as os;

use super::retry;
use crate::paging::{Advice, UncheckedAdvice};
use crate::sys::{NotLocked, zero_or_errno};
use std::error::Error;
use std::ffi::c_int;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

pub(crate) use os::{DISCARD_ZEROES, cached, discard, populate, resident, tells_residency};

/// A hint that is not known, not for this kind of mapping, or forbidden by a filter of system calls (madvise(2) of each).
const NOT_TAKEN: [c_int; 7] =
    [libc::EINVAL, libc::EBADF, libc::ENOSYS, libc::EPERM, libc::EACCES, libc::EOPNOTSUPP, libc::ENOTSUP];

/// Whether the system knows a hint.
pub(crate) fn knows(advice: Advice) -> bool {
    os::number(advice).is_some_and(os::knows_number)
}

/// Whether the system knows an advice that is a command.
pub(crate) fn knows_unchecked(advice: UncheckedAdvice) -> bool {
    os::unchecked_number(advice).is_some_and(os::knows_number)
}

/// `madvise` with a hint: whether it was taken.
pub(crate) fn advise(address: NonNull<u8>, len: usize, advice: Advice) -> io::Result<bool> {
    let Some(number) = os::number(advice) else {
        return Ok(false);
    };
    // SAFETY: the range is whole pages of one mapping (contract). What `os::number` answers for a hint changes no byte and
    // takes no page away, whatever happens to it (madvise(2) of each system).
    match unsafe { madvise(address, len, number) } {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(code) if NOT_TAKEN.contains(&code) => Ok(false),
            // What belongs to pages, not to accesses, may take further mappings of the kernel's, of which there is a limit.
            Some(libc::EAGAIN) if advice != Advice::Collapse => Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                Because { what: "the process has too many mappings (vm.max_map_count)".to_owned(), error },
            )),
            _ => Err(error),
        },
    }
}

/// `madvise` with a command.
///
/// # Safety
///
/// The caller may have these pages treated so.
pub(crate) unsafe fn advise_unchecked(address: NonNull<u8>, len: usize, advice: UncheckedAdvice) -> io::Result<()> {
    let Some(number) = os::unchecked_number(advice) else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    // SAFETY: the range is whole pages of one mapping (contract), and the caller vouches for what becomes of them.
    unsafe { madvise(address, len, number) }
}

/// `madvise`.
///
/// # Safety
///
/// The pages belong to one mapping, and the caller may have them treated so.
unsafe fn madvise(address: NonNull<u8>, len: usize, number: c_int) -> io::Result<()> {
    // SAFETY: the same obligations, passed on.
    retry(|| unsafe { libc::madvise(address.as_ptr().cast(), len, number) })
}

/// `mlock`.
pub(crate) fn lock(address: NonNull<u8>, len: usize) -> Result<(), NotLocked> {
    // SAFETY: the range is whole pages of one mapping (contract); the call changes no byte of them.
    let result = unsafe { libc::mlock(address.as_ptr().cast(), len) };
    let Err(error) = zero_or_errno(result) else {
        return Ok(());
    };
    match error.raw_os_error() {
        Some(libc::ENOMEM | libc::EAGAIN) if os::may_be_locked(address, len) => Err(NotLocked::Unreachable(error)),
        Some(libc::ENOMEM | libc::EAGAIN | libc::EPERM) => Err(NotLocked::Refused(limit_named(error))),
        _ => Err(NotLocked::Refused(error)),
    }
}

/// The error of `mlock` with the limit that it speaks of (mlock(2)).
fn limit_named(error: io::Error) -> io::Error {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the structure has room for what the call fills.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, limit.as_mut_ptr()) };
    // SAFETY: filled, if the call succeeded.
    let limit = (result == 0).then(|| unsafe { limit.assume_init() }.rlim_cur);
    let what = match limit {
        Some(bytes) if bytes != libc::RLIM_INFINITY => {
            format!("the process may lock no more memory: RLIMIT_MEMLOCK is {bytes} bytes{}", os::OTHER_LIMIT)
        }
        _ => format!("the system locks no more memory{}", os::OTHER_LIMIT),
    };
    io::Error::new(error.kind(), Because { what, error })
}

/// `munlock`.
pub(crate) fn unlock(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping (contract); the call changes no byte of them.
    zero_or_errno(unsafe { libc::munlock(address.as_ptr().cast(), len) })
}

/// What the system said, and what is meant by it.
#[derive(Debug)]
struct Because {
    what: String,
    error: io::Error,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.error)
    }
}

impl Error for Because {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
