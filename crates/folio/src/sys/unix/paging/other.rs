//! Paging on Apple's systems, the BSDs, illumos and every other Unix.

use crate::paging::{Advice, UncheckedAdvice};
use crate::sys::unix::FileRef;
use crate::sys::{Cached, FileId, Populate, Populated};
use std::ffi::c_int;
use std::io;
use std::ptr::NonNull;

/// `MADV_FREE` may leave the bytes as they were: zeros are written before.
pub(crate) const DISCARD_ZEROES: bool = false;

/// Nothing else limits `mlock`, as far as is documented.
pub(super) const OTHER_LIMIT: &str = "";

/// The number of a hint, if there is one (madvise(2) of each).
pub(super) fn number(advice: Advice) -> Option<c_int> {
    match advice {
        Advice::Normal => Some(libc::MADV_NORMAL),
        Advice::Random => Some(libc::MADV_RANDOM),
        Advice::Sequential => Some(libc::MADV_SEQUENTIAL),
        Advice::WillNeed => Some(libc::MADV_WILLNEED),
        // On these two it says that pages are not needed soon, and lowers what they are worth. No byte is lost by it, as by the
        // same word on Linux.
        #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
        Advice::Cold => Some(libc::MADV_DONTNEED),
        #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
        Advice::DontDump => Some(libc::MADV_NOCORE),
        #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
        Advice::DoDump => Some(libc::MADV_CORE),
        _ => None,
    }
}

/// The number of a command, if there is one (madvise(2) of each).
pub(super) fn unchecked_number(advice: UncheckedAdvice) -> Option<c_int> {
    match advice {
        UncheckedAdvice::DontNeed => Some(libc::MADV_DONTNEED),
        #[cfg(any(
            target_vendor = "apple",
            target_os = "freebsd",
            target_os = "dragonfly",
            target_os = "netbsd",
            target_os = "openbsd",
            target_os = "illumos",
            target_os = "solaris"
        ))]
        UncheckedAdvice::Free => Some(libc::MADV_FREE),
        #[cfg(target_vendor = "apple")]
        UncheckedAdvice::FreeReusable => Some(libc::MADV_FREE_REUSABLE),
        #[cfg(target_vendor = "apple")]
        UncheckedAdvice::FreeReuse => Some(libc::MADV_FREE_REUSE),
        #[cfg(target_vendor = "apple")]
        UncheckedAdvice::ZeroWiredPages => Some(libc::MADV_ZERO_WIRED_PAGES),
        _ => None,
    }
}

/// No hint is for pages of some size only.
pub(super) fn applies(_advice: Advice, _address: NonNull<u8>, _len: usize) -> bool {
    true
}

/// What has a number here, the system knows: none of these is new.
pub(super) fn knows_number(_number: c_int) -> bool {
    true
}

/// No call brings pages in and says whether it could: they are touched.
pub(crate) fn populate(_address: NonNull<u8>, _len: usize, _how: Populate) -> io::Result<Populated> {
    Ok(Populated::NotSupported)
}

/// Nobody says. If it is so, looking for a lost page finds it.
pub(super) fn may_be_locked(_address: NonNull<u8>, _len: usize) -> bool {
    true
}

/// `MADV_FREE`: the pages become zeros, or stay as they are.
///
/// # Safety
///
/// The pages belong to private anonymous memory, and nobody relies on what is in them.
pub(crate) unsafe fn discard(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the same obligations, passed on.
    unsafe { super::advise_unchecked(address, len, UncheckedAdvice::Free) }
}

/// `mincore`, whose lowest bit says on each of these that the page is in memory (`MINCORE_INCORE`).
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "illumos",
    target_os = "solaris"
))]
pub(crate) fn resident(address: NonNull<u8>, len: usize, pages: &mut [u8]) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping, and `pages` has a byte for each of them (contract).
    super::zero_or_errno(unsafe { libc::mincore(address.as_ptr().cast(), len, pages.as_mut_ptr().cast()) })
}

/// Others have no such call; OpenBSD took it out.
#[cfg(not(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "illumos",
    target_os = "solaris"
)))]
pub(crate) fn resident(_address: NonNull<u8>, _len: usize, _pages: &mut [u8]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not say which pages are in memory"))
}

/// The answer of [`resident`] is the truth.
pub(crate) fn tells_residency(_address: NonNull<u8>, _file: Option<FileRef<'_>>, _id: Option<FileId>) -> bool {
    true
}

/// There is no call that counts a file's pages.
pub(crate) fn cached(_file: FileRef<'_>, _offset: u64, _len: u64) -> io::Result<Option<Cached>> {
    Ok(None)
}
