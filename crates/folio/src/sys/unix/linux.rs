//! Linux and Android: calls and rules that only they have.

use super::{CopyState, FileRef, msync, paging, pipe, retry, stat, stat_of};
use crate::sys::{Allocated, MapFlags, Proof, Started, extras, zero_or_errno};
use std::ffi::{c_int, c_long, c_ulong};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(any(target_os = "android", not(target_env = "musl"))))]
use libc::{fallocate, fstatfs, off_t, statfs};
#[cfg(any(target_os = "android", not(target_env = "musl")))]
use libc::{fallocate64 as fallocate, fstatfs64 as fstatfs, off64_t as off_t, statfs64 as statfs};

#[cfg(target_os = "android")]
use before_api_26::{SYNC_FILE_RANGE_WRITE, sync_file_range};
#[cfg(not(target_os = "android"))]
use libc::{SYNC_FILE_RANGE_WRITE, mremap, sync_file_range};
#[cfg(target_os = "android")]
unsafe extern "C" {
    /// Android's C library has it (sys/mman.h), and the crate `libc` does not declare it.
    fn mremap(
        address: *mut std::ffi::c_void,
        old_len: usize,
        new_len: usize,
        flags: c_int,
        ...
    ) -> *mut std::ffi::c_void;
}

/// What Android's C library has since API level 26 only, which is not the first that programs are built for.
#[cfg(target_os = "android")]
mod before_api_26 {
    use std::ffi::{c_int, c_uint};

    /// As in include/uapi/linux/fs.h.
    pub(super) const SYNC_FILE_RANGE_WRITE: c_uint = 2;

    /// The system call itself.
    ///
    /// # Safety
    ///
    /// The call touches no memory; `fd` is open.
    #[cfg(target_pointer_width = "64")]
    pub(super) unsafe fn sync_file_range(fd: c_int, offset: i64, count: i64, flags: c_uint) -> c_int {
        // SAFETY: the call touches no memory of the process; the caller vouches for the descriptor.
        let result = unsafe { libc::syscall(libc::SYS_sync_file_range, fd, offset, count, flags) };
        if result == 0 { 0 } else { -1 }
    }

    /// Where a number of 64 bits is two arguments, in an order that depends on the processor, as if the kernel had no such call.
    ///
    /// # Safety
    ///
    /// None.
    #[cfg(target_pointer_width = "32")]
    pub(super) unsafe fn sync_file_range(_fd: c_int, _offset: i64, _count: i64, _flags: c_uint) -> c_int {
        // SAFETY: the place is this thread's own.
        unsafe { *libc::__errno() = libc::ENOSYS };
        -1
    }
}

/// `MREMAP_MAYMOVE` (include/uapi/linux/mman.h), which `libc` does not name for Android either.
const MREMAP_MAYMOVE: c_int = 1;

/// `msync(MS_SYNC)` writes and waits by itself, without a handle of the file (msync(2)).
pub(crate) const KEEPS_FILE: bool = false;

/// `f_type` of the file system of huge pages (`HUGETLBFS_MAGIC`, statfs(2)).
const HUGETLBFS: u32 = 0x9584_58f6;
/// `f_type` of the file systems whose answer to the fs-verity question comes from the kernel itself: ext2 to ext4, f2fs
/// and btrfs (statfs(2); Documentation/filesystems/fsverity.rst). A server of user space could answer as it likes.
const VERITY: [u32; 3] = [0xef53, 0xf2f5_2010, 0x9123_683e];
/// `STATX_ATTR_VERITY` (statx(2), Linux 5.5).
const STATX_ATTR_VERITY: u64 = 0x0010_0000;

/// `fstatfs`.
fn statfs_of(file: FileRef<'_>) -> io::Result<statfs> {
    let mut buffer = MaybeUninit::<statfs>::uninit();
    // SAFETY: the descriptor is open as long as it is borrowed; the buffer is of the type that the call fills.
    let result = unsafe { fstatfs(file.as_raw_fd(), buffer.as_mut_ptr()) };
    zero_or_errno(result)?;
    // SAFETY: `fstatfs` succeeded and so filled the whole structure (fstatfs(2)).
    Ok(unsafe { buffer.assume_init() })
}

/// The magic number of a file system. It is 32 bits in the kernel, whatever width and sign the field has here.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the kernel's magic numbers are 32 bits")]
fn magic_of(statfs: &statfs) -> u32 {
    statfs.f_type as u32
}

/// Bytes per page of a mapping of this file, where it is not the page size of the system.
pub(crate) fn page_size_of(file: FileRef<'_>, stat: &stat) -> Option<usize> {
    // The blocks of hugetlbfs are its pages, for `stat` too (fs/hugetlbfs/inode.c): where they are no larger than a page of the system
    // the file is on another file system, and there is nothing to ask.
    if usize::try_from(stat.st_blksize).is_ok_and(|block| block <= super::page_size()) {
        return None;
    }
    let statfs = statfs_of(file).ok()?;
    if magic_of(&statfs) != HUGETLBFS {
        return None;
    }
    usize::try_from(statfs.f_bsize).ok().filter(|size| size.is_power_of_two())
}

/// Whether an EIO of `mmap` says that the file cannot be mapped at all: so does `/proc`, for most of its files (fs/proc/inode.c).
/// Of other file systems it is an error of the medium.
pub(crate) fn refuses_mappings_by_eio(file: FileRef<'_>) -> bool {
    /// `PROC_SUPER_MAGIC` (statfs(2)).
    const PROC: u32 = 0x9fa0;
    statfs_of(file).is_ok_and(|statfs| magic_of(&statfs) == PROC)
}

/// Bytes per huge page: the given power of two, or the default of the system, from `/proc/meminfo`.
pub(crate) fn huge_page_size(bits: Option<u8>) -> io::Result<usize> {
    let size = match bits {
        Some(bits) => 1usize.checked_shl(u32::from(bits)),
        None => std::fs::read_to_string("/proc/meminfo")?.lines().find_map(|line| {
            let kib = line.strip_prefix("Hugepagesize:")?.trim().strip_suffix("kB")?;
            kib.trim().parse::<usize>().ok()?.checked_mul(1024)
        }),
    };
    size.filter(|size| size.is_power_of_two() && *size >= super::page_size())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such size of huge pages"))
}

/// The bits of `mmap` beyond sharing and `MAP_ANON` (mmap(2)).
pub(crate) fn extra_map_bits(flags: &MapFlags) -> c_int {
    let mut bits = 0;
    if flags.populate {
        bits |= libc::MAP_POPULATE;
    }
    if flags.no_reserve {
        bits |= libc::MAP_NORESERVE;
    }
    if flags.stack {
        bits |= libc::MAP_STACK;
    }
    if let Some(size) = flags.huge {
        bits |= libc::MAP_HUGETLB;
        if let Some(size) = size {
            // Six bits, from bit 26 on; a size that was too large for them has been refused by `huge_page_size`.
            bits |= c_int::from(size & 0x3f) << libc::MAP_HUGE_SHIFT;
        }
    }
    bits
}

/// `mremap` (mremap(2)).
///
/// # Safety
///
/// `address` and `old_len` are a whole mapping made by this module; nothing uses the pages that it loses, nor, if it may
/// move, any address in it.
pub(crate) unsafe fn remap(
    address: NonNull<u8>,
    old_len: usize,
    new_len: usize,
    may_move: bool,
) -> io::Result<NonNull<u8>> {
    let flags = if may_move { MREMAP_MAYMOVE } else { 0 };
    // SAFETY: the range is a mapping of the caller's; without MREMAP_FIXED it only goes where nothing else is (mremap(2)).
    let address = unsafe { mremap(address.as_ptr().cast(), old_len, new_len, flags) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(address.cast()).ok_or_else(|| io::Error::other("the system mapped at the null address"))
}

/// `msync(MS_SYNC)`: on return the pages and what is needed to find them are on stable storage. The kernel runs the
/// file system's `fsync` over the range (mm/msync.c).
pub(crate) fn flush(address: NonNull<u8>, len: usize, _file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    msync(address, len, libc::MS_SYNC)
}

/// `sync_file_range(SYNC_FILE_RANGE_WRITE)`: starts to write the dirty pages of the range and does not wait for them
/// (sync_file_range(2)). `msync(MS_ASYNC)` has done nothing since Linux 2.6.19 (msync(2)), so without the file there is
/// no call that starts.
///
/// The call passes over pages that are being written at this moment and have been changed since. `cachestat` (Linux 6.5) tells
/// whether there were any; older kernels leave them to their own write-back.
pub(crate) fn start_flush(_address: NonNull<u8>, len: usize, file: Option<(FileRef<'_>, u64)>) -> io::Result<Started> {
    let Some((file, offset)) = file else {
        return Ok(Started::No);
    };
    let (Ok(start), Ok(count)) = (i64::try_from(offset), i64::try_from(len)) else {
        return Ok(Started::No);
    };
    let result = retry(|| {
        // SAFETY: the descriptor is open as long as it is borrowed; the call touches no memory of the process.
        unsafe { sync_file_range(file.as_raw_fd(), start, count, SYNC_FILE_RANGE_WRITE) }
    });
    match result {
        Ok(()) if has_dirty_pages(file, offset, len as u64) => Ok(Started::No),
        Ok(()) => Ok(Started::Yes),
        // Not built into this kernel, or forbidden to this process by a filter of system calls.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(Started::No),
        Err(error) => Err(error),
    }
}

/// Whether [`start_flush`] can work through a handle of this file: on the file systems that are known to keep a file's pages
/// where `sync_file_range` looks for them. A stacked file system (overlayfs, the root of most containers) does not, and
/// answers that all is well.
pub(crate) fn starts_through(file: FileRef<'_>) -> bool {
    // ext2 to ext4, xfs, btrfs, f2fs, bcachefs, vfat, exfat, tmpfs (statfs(2), include/uapi/linux/magic.h).
    const KNOWN: [u32; 8] =
        [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x4d44, 0x2011_bab0, 0x0102_1994];
    statfs_of(file).is_ok_and(|statfs| KNOWN.contains(&magic_of(&statfs)))
}

/// Whether pages of a range of a file are known to be dirty.
fn has_dirty_pages(file: FileRef<'_>, offset: u64, len: u64) -> bool {
    paging::cached(file, offset, len).is_ok_and(|cached| cached.is_some_and(|cached| cached.dirty > 0))
}

/// `fsync`.
pub(crate) fn sync_all(file: FileRef<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as it is borrowed; the call touches no memory of the process.
    retry(|| unsafe { libc::fsync(file.as_raw_fd()) })
}

/// `fallocate`: blocks first, with the length kept, then the length. The second step only ever lengthens a file, so one that
/// another process has extended meanwhile stays as long as it is.
pub(crate) fn allocate(file: FileRef<'_>, offset: u64, len: u64) -> io::Result<Allocated> {
    let file_len = u64::try_from(stat_of(file)?.st_size).unwrap_or(0);
    let end = offset.saturating_add(len);
    if !space_for(file, len, end.saturating_sub(file_len.max(offset))) {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    match fallocate_range(file, libc::FALLOC_FL_KEEP_SIZE, offset, len) {
        Ok(()) => {}
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) => {
            return Ok(Allocated::NotSupported);
        }
        Err(error) => {
            // Blocks behind the end that were found before the disk was full go with a cut to the length that the file has.
            if end > file_len && stat_of(file).is_ok_and(|now| u64::try_from(now.st_size) == Ok(file_len)) {
                let _ = super::set_len(file, file_len);
            }
            return Err(error);
        }
    }
    if end > file_len {
        fallocate_range(file, 0, end - 1, 1)?;
    }
    Ok(Allocated::Done)
}

/// Whether the file system can have room for a range of `len` bytes, of which `behind` lie behind the end of the file. Asked
/// first because some file systems (ext4) keep the blocks that they found before they ran out. It errs towards yes: blocks
/// that the file has already are taken to be among those wanted.
#[allow(clippy::useless_conversion, reason = "the widths of these fields differ by target")]
fn space_for(file: FileRef<'_>, len: u64, behind: u64) -> bool {
    let (Ok(statfs), Ok(stat)) = (statfs_of(file), stat_of(file)) else {
        return true;
    };
    let (Ok(block), Ok(free), Ok(own)) =
        (u64::try_from(statfs.f_frsize), u64::try_from(statfs.f_bfree), u64::try_from(stat.st_blocks))
    else {
        return true;
    };
    let missing = len.max(behind).saturating_sub(own.saturating_mul(512));
    // A file system without a limit (tmpfs with size=0, network file systems) says zero blocks in all.
    statfs.f_blocks == 0 || missing <= free.saturating_mul(block)
}

/// `fallocate`, again when a signal interrupts it.
fn fallocate_range(file: FileRef<'_>, mode: c_int, offset: u64, len: u64) -> io::Result<()> {
    let (Ok(offset), Ok(len)) = (off_t::try_from(offset), off_t::try_from(len)) else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    // SAFETY: the descriptor is open as long as it is borrowed; the call touches no memory of the process.
    retry(|| unsafe { fallocate(file.as_raw_fd(), mode, offset, len) })
}

/// Seals, or fs-verity on a file system that can be believed.
pub(crate) fn proof_of_immutability(file: FileRef<'_>) -> io::Result<Proof> {
    if let Some(sealed) = extras::is_sealed(file) {
        return Ok(if sealed { Proof::Sealed } else { Proof::Fails });
    }
    let believed = statfs_of(file).is_ok_and(|statfs| VERITY.contains(&magic_of(&statfs)));
    Ok(if believed && has_verity(file) { Proof::Verity } else { Proof::Fails })
}

/// The fs-verity attribute of `statx`; no where the call is missing or forbidden.
fn has_verity(file: FileRef<'_>) -> bool {
    // `struct statx` is 256 bytes; the attributes are the second 64-bit word (statx(2)).
    let mut buffer = [0u64; 32];
    let (fd, empty): (c_int, _) = (file.as_raw_fd(), c"");
    // SAFETY: the descriptor is open as long as it is borrowed, the path is an empty C string and the buffer has the
    // 256 bytes that the call fills.
    let result =
        unsafe { libc::syscall(libc::SYS_statx, fd, empty.as_ptr(), libc::AT_EMPTY_PATH, 0u32, buffer.as_mut_ptr()) };
    result == 0 && buffer[1] & STATX_ATTR_VERITY != 0
}

/// Set once the kernel has refused the calls on this process's own memory: an old kernel, or a filter of system calls.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Copies out of the mapping at `from`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `from` lie in one mapping that stays mapped for the length of the call.
pub(crate) unsafe fn checked_read(from: *const u8, buffer: &mut [u8], state: &mut CopyState) -> io::Result<usize> {
    if !REFUSED.load(Ordering::Relaxed) {
        // The mapping is the local side, which the kernel reaches as the process itself would, whatever kind of pages
        // it has; the buffer is the remote side.
        let local = iovec(from.cast_mut(), buffer.len());
        let remote = iovec(buffer.as_mut_ptr(), buffer.len());
        // SAFETY: `getpid` has no obligations.
        let own = unsafe { libc::getpid() };
        // SAFETY: both vectors describe one range each; the kernel checks every page itself (process_vm_readv(2)), reads
        // the range in the mapping and writes the buffer, which is ours alone.
        let count = unsafe {
            libc::syscall(libc::SYS_process_vm_writev, own, &raw const local, ONE, &raw const remote, ONE, NO_FLAGS)
        };
        if let Some(count) = copied(count)?.filter(|&count| count > 0 || reaches(own, buffer)) {
            return Ok(count);
        }
    }
    // SAFETY: the same obligations, passed on.
    unsafe { pipe::checked_read(from, buffer, state) }
}

/// Copies into the mapping at `to`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `to` lie in one mapping that stays mapped for the length of the call, and no reference to
/// them exists.
pub(crate) unsafe fn checked_write(to: *mut u8, buffer: &[u8], state: &mut CopyState) -> io::Result<usize> {
    if !REFUSED.load(Ordering::Relaxed) {
        let local = iovec(to, buffer.len());
        let remote = iovec(buffer.as_ptr().cast_mut(), buffer.len());
        // SAFETY: `getpid` has no obligations.
        let own = unsafe { libc::getpid() };
        // SAFETY: as in `checked_read`, in the other direction: the kernel only reads the buffer, and only writes the range
        // in the mapping, to which no reference exists (caller).
        let count = unsafe {
            libc::syscall(libc::SYS_process_vm_readv, own, &raw const local, ONE, &raw const remote, ONE, NO_FLAGS)
        };
        if let Some(count) = copied(count)?.filter(|&count| count > 0 || reaches(own, buffer)) {
            return Ok(count);
        }
    }
    // SAFETY: the same obligations, passed on.
    unsafe { pipe::checked_write(to, buffer, state) }
}

/// Whether the kernel reaches the first byte of a buffer as the remote side of a copy. If nothing was copied and it does, the
/// mapping was what it could not reach. It does not if the buffer, on a stack that somebody has put there, is secret memory
/// (memfd_secret(2)).
fn reaches(own: libc::pid_t, buffer: &[u8]) -> bool {
    let mut byte = 0_u8;
    let local = iovec(&raw mut byte, 1);
    let remote = iovec(buffer.as_ptr().cast_mut(), 1);
    // SAFETY: the kernel writes the byte, which is ours, and reads the buffer.
    let count = unsafe {
        libc::syscall(libc::SYS_process_vm_readv, own, &raw const local, ONE, &raw const remote, ONE, NO_FLAGS)
    };
    count == 1
}

/// The last arguments of the two calls, in the kernel's width. They are made without the C library's wrappers, which the
/// sanitizers watch: to those, a race that is legal here would look like one that is not.
const ONE: c_ulong = 1;
const NO_FLAGS: c_ulong = 0;

/// One range for the kernel.
fn iovec(address: *mut u8, len: usize) -> libc::iovec {
    libc::iovec { iov_base: address.cast(), iov_len: len }
}

/// The count of a copy, 0 when its first byte already failed, `None` when the kernel refuses such copies at all. Call
/// it at once: it reads the last error.
fn copied(result: c_long) -> io::Result<Option<usize>> {
    if let Ok(count) = usize::try_from(result) {
        return Ok(Some(count));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EFAULT) => Ok(Some(0)),
        Some(libc::ENOSYS | libc::EPERM) => {
            REFUSED.store(true, Ordering::Relaxed);
            Ok(None)
        }
        _ => Err(error),
    }
}
