//! The BSDs, illumos and Solaris, and every other Unix: POSIX, and little else.

use super::{FileRef, msync, pipe, retry, stat};
use crate::sys::{Allocated, MapFlags, Proof, Started};
use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// `msync(MS_SYNC)` writes the pages of the range, and what finds them is written by `fsync` alone, which wants the file. PLATFORM.md
/// has the places.
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

/// The bits of `mmap` beyond sharing and `MAP_ANON` (mmap(2)).
pub(crate) fn extra_map_bits(flags: &MapFlags) -> c_int {
    #[cfg_attr(not(target_os = "freebsd"), expect(unused_mut, reason = "only FreeBSD adds a bit"))]
    let mut bits = 0;
    #[cfg(target_os = "freebsd")]
    if flags.populate {
        bits |= libc::MAP_PREFAULT_READ;
    }
    // MAP_STACK of FreeBSD makes memory that grows downwards, which is something else than the hint of Linux; NORESERVE
    // is gone from the BSDs. Both are hints and are left out.
    let _ = flags;
    bits
}

/// `msync(MS_SYNC)` of the pages, then `fsync` of the file.
pub(crate) fn flush(address: NonNull<u8>, len: usize, file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    msync(address, len, libc::MS_SYNC)?;
    match file {
        Some((file, _)) => sync_all(file),
        None => Ok(()),
    }
}

/// `msync(MS_ASYNC)` starts the write and returns (msync(2) of each).
pub(crate) fn start_flush(address: NonNull<u8>, len: usize, _file: Option<(FileRef<'_>, u64)>) -> io::Result<Started> {
    msync(address, len, libc::MS_ASYNC)?;
    Ok(Started::Yes)
}

/// [`start_flush`] does not use the file.
pub(crate) fn starts_through(_file: FileRef<'_>) -> bool {
    false
}

/// `fsync`, and on NetBSD what also has the drive write what it holds.
pub(crate) fn sync_all(file: FileRef<'_>) -> io::Result<()> {
    #[cfg(target_os = "netbsd")]
    match netbsd::sync_with_drive(file) {
        // A drive without such a command, or memory.
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EOPNOTSUPP | libc::ENODEV | libc::EINVAL)) => {}
        result => return result,
    }
    // SAFETY: the descriptor is open as long as it is borrowed; the call touches no memory of the process.
    match retry(|| unsafe { libc::fsync(file.as_raw_fd()) }) {
        // Memory with a descriptor, which no disk is behind, is nothing that could be synchronised (fsync(2); FreeBSD,
        // sys/kern/vfs_syscalls.c, kern_fsync).
        #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) && is_of_no_file_system(file) => Ok(()),
        result => result,
    }
}

/// Whether there is no file system to ask about: memory with a descriptor is in none (fstatfs(2)).
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
fn is_of_no_file_system(file: FileRef<'_>) -> bool {
    let mut answer = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the descriptor is open as long as it is borrowed; the structure is the one that the call fills.
    let result = retry(|| unsafe { libc::fstatfs(file.as_raw_fd(), answer.as_mut_ptr()) });
    result.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
}

/// What only NetBSD has, and the crate `libc` does not declare.
#[cfg(target_os = "netbsd")]
mod netbsd {
    use super::{FileRef, retry};
    use std::ffi::c_int;
    use std::io;
    use std::os::fd::AsRawFd;

    /// As in sys/unistd.h: bytes and metadata, and the cache of the drive.
    const FFILESYNC: c_int = 0x20;
    const FDISKSYNC: c_int = 0x40;

    unsafe extern "C" {
        fn fsync_range(fd: c_int, how: c_int, start: libc::off_t, length: libc::off_t) -> c_int;
    }

    /// `fsync_range` of the whole file with `FDISKSYNC`; `fsync` leaves what the drive holds where it is
    /// (fsync_range(2)).
    pub(super) fn sync_with_drive(file: FileRef<'_>) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as it is borrowed; the call touches no memory of the process. A length of 0
        // is the whole file.
        retry(|| unsafe { fsync_range(file.as_raw_fd(), FFILESYNC | FDISKSYNC, 0, 0) })
    }
}

/// `posix_fallocate`, which fills holes and lengthens and never shrinks (FreeBSD posix_fallocate(2)).
#[cfg(target_os = "freebsd")]
pub(crate) fn allocate(file: FileRef<'_>, offset: u64, len: u64) -> io::Result<Allocated> {
    let (Ok(offset), Ok(len)) = (libc::off_t::try_from(offset), libc::off_t::try_from(len)) else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    loop {
        // The call returns its error instead of setting `errno`.
        // SAFETY: the descriptor is open as long as it is borrowed; the call touches no memory of the process.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), offset, len) } {
            0 => return Ok(Allocated::Done),
            libc::EINTR => {}
            // EINVAL is the answer of file systems that cannot, ZFS among them.
            libc::EINVAL | libc::EOPNOTSUPP => return Ok(Allocated::NotSupported),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// No call that all of these have.
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn allocate(_file: FileRef<'_>, _offset: u64, _len: u64) -> io::Result<Allocated> {
    Ok(Allocated::NotSupported)
}

/// There is no such proof here.
#[cfg(not(target_os = "freebsd"))]
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

/// Seals. The kernel counts every shared mapping through a handle that can write, also one that is only read so far, and
/// refuses the seal as long as there is one (sys/kern/uipc_shm.c, shm_mmap and shm_add_seals).
#[cfg(target_os = "freebsd")]
pub(crate) fn proof_of_immutability(file: FileRef<'_>) -> io::Result<Proof> {
    Ok(if crate::sys::extras::is_sealed(file) == Some(true) { Proof::Sealed } else { Proof::Fails })
}
