//! FreeBSD.

use super::lacks;
use crate::sys::{File, FileRef, MapFlags, zero_or_errno};
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// `mmap(MAP_FIXED)`. What a file has against being mapped it says before anything is taken away (sys/kern/uipc_shm.c).
///
/// # Safety
///
/// The range is a whole mapping, and nothing uses its memory.
pub(crate) unsafe fn map_file_over(
    address: NonNull<u8>,
    len: usize,
    file: FileRef<'_>,
    offset: u64,
    flags: &MapFlags,
) -> io::Result<()> {
    let Ok(offset) = libc::off_t::try_from(offset) else {
        return Err(io::Error::from_raw_os_error(libc::EOVERFLOW));
    };
    let write = if flags.protection.write() { libc::PROT_WRITE } else { 0 };
    let sharing = if flags.private { libc::MAP_PRIVATE } else { libc::MAP_SHARED };
    let (prot, how) = (libc::PROT_READ | write, sharing | libc::MAP_FIXED);
    // SAFETY: the caller gives up what is mapped in this range, and nothing else lies in it.
    let mapped = unsafe { libc::mmap(address.as_ptr().cast(), len, prot, how, file.as_raw_fd(), offset) };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// There is none.
pub(crate) fn secret_file() -> io::Result<File> {
    Err(lacks("this system has no secret memory"))
}

/// `MADV_NOCORE` (madvise(2)).
pub(crate) fn leave_out_of_dumps(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping (contract); the advice changes no byte and no access (madvise(2)).
    zero_or_errno(unsafe { libc::madvise(address.as_ptr().cast(), len, libc::MADV_NOCORE) })
}

/// There is no such call.
pub(crate) fn mseal(_address: NonNull<u8>, _len: usize) -> io::Result<()> {
    Err(lacks("this system cannot make a mapping final"))
}
