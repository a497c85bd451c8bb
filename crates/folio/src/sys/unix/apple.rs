//! macOS, iOS and their relatives: calls and rules that only they have.

use super::{FileRef, msync, pipe, retry, stat, stat_of};
use crate::sys::{Allocated, MapFlags, Proof, Started};
use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// Data is on the medium only after `F_FULLFSYNC`, which wants the file (fcntl(2)).
pub(crate) const KEEPS_FILE: bool = true;

pub(crate) use pipe::{checked_read, checked_write};

/// Mappings of files have the pages of the system.
pub(crate) fn page_size_of(_file: FileRef<'_>, _stat: &stat) -> Option<usize> {
    None
}

/// An EIO of `mmap` is an error of the medium.
pub(crate) fn refuses_mappings_by_eio(_file: FileRef<'_>) -> bool {
    false
}

/// There are no huge pages to ask for.
pub(crate) fn huge_page_size(_bits: Option<u8>) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no huge pages to ask for"))
}

/// The bits of `mmap` beyond sharing and `MAP_ANON` (mmap(2)). Populating and stacks have none here.
pub(crate) fn extra_map_bits(flags: &MapFlags) -> c_int {
    if flags.no_reserve { libc::MAP_NORESERVE } else { 0 }
}

/// `msync(MS_SYNC)` hands the pages to the drive; `F_FULLFSYNC` makes the drive write what it holds (fcntl(2)).
pub(crate) fn flush(address: NonNull<u8>, len: usize, file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    msync(address, len, libc::MS_SYNC)?;
    match file {
        Some((file, _)) => sync_all(file),
        None => Ok(()),
    }
}

/// `msync(MS_ASYNC)` starts the write and returns (msync(2)).
pub(crate) fn start_flush(address: NonNull<u8>, len: usize, _file: Option<(FileRef<'_>, u64)>) -> io::Result<Started> {
    msync(address, len, libc::MS_ASYNC)?;
    Ok(Started::Yes)
}

/// [`start_flush`] does not use the file.
pub(crate) fn starts_through(_file: FileRef<'_>) -> bool {
    false
}

/// `F_FULLFSYNC`, or `fsync` where the file system refuses it, as network and foreign ones do (fcntl(2)).
pub(crate) fn sync_all(file: FileRef<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as it is borrowed; the command takes no pointer.
    let full = retry(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_FULLFSYNC) });
    match full {
        // POSIX shared memory, which has no type, is in no file system (xnu, bsd/kern/posix_shm.c).
        Err(_) if stat_of(file).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == 0) => Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTSUP | libc::ENOTTY | libc::EINVAL)) => {
            // SAFETY: as in the call above.
            retry(|| unsafe { libc::fsync(file.as_raw_fd()) })
        }
        result => result,
    }
}

/// `F_PREALLOCATE` behind the end of the file, then the length (fcntl(2)). There is no call that fills holes, and none
/// that only lengthens: a process that extends the file between our look at its length and `ftruncate` can be
/// cut back. PLATFORM.md says so.
pub(crate) fn allocate(file: FileRef<'_>, offset: u64, len: u64) -> io::Result<Allocated> {
    let stat = stat_of(file)?;
    let file_len = stat.st_size;
    let Ok(end) = i64::try_from(offset.saturating_add(len)) else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    let has_holes = stat.st_blocks.saturating_mul(512) < file_len;
    if end <= file_len || (has_holes && i64::try_from(offset).is_ok_and(|offset| offset < file_len)) {
        return Ok(Allocated::NotSupported);
    }
    let mut wanted = libc::fstore_t {
        fst_flags: libc::F_ALLOCATEALL,
        fst_posmode: libc::F_PEOFPOSMODE,
        fst_offset: 0,
        fst_length: end - file_len,
        fst_bytesalloc: 0,
    };
    // SAFETY: the descriptor is open as long as it is borrowed; the structure is the one that the command reads and fills.
    let result = retry(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &raw mut wanted) });
    match result {
        Ok(()) => {}
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTSUP)) => return Ok(Allocated::NotSupported),
        Err(error) => return Err(error),
    }
    // SAFETY: the descriptor is open as long as it is borrowed.
    retry(|| unsafe { libc::ftruncate(file.as_raw_fd(), end) })?;
    Ok(Allocated::Done)
}

/// There is no such proof here.
pub(crate) fn proof_of_immutability(_file: FileRef<'_>) -> io::Result<Proof> {
    Ok(Proof::Unknown)
}

/// There is no such call here.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn remap(
    _address: NonNull<u8>,
    _old_len: usize,
    _new_len: usize,
    _may_move: bool,
) -> io::Result<NonNull<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}
