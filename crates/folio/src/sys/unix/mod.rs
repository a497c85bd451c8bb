//! Unix: what POSIX and its common extensions give on every system, with what differs in `linux`, `apple` and `other`.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as os;

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(target_vendor = "apple")]
use apple as os;

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod other;
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
use other as os;

pub(crate) mod paging;
mod pipe;
mod thread;

pub(crate) use pipe::CopyState;
pub(crate) use thread::start_thread;

use super::{FileId, FileInfo, FileKind, MapFlags, Source, zero_or_errno};
use crate::Protection;
use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) use os::{
    KEEPS_FILE, allocate, checked_read, checked_write, flush, huge_page_size, proof_of_immutability, remap,
    start_flush, starts_through, sync_all,
};

/// What is mapped is the file.
pub(crate) const COPIES: bool = false;

/// A file that can be mapped: on Unix everything that lends its descriptor by [`AsFd`], such as
/// [`std::fs::File`], [`OwnedFd`] or a reference to one; on Windows everything that lends a handle by `AsHandle`.
///
/// The trait is sealed: it is implemented for all those types, and cannot be implemented otherwise.
pub trait AsFile: AsFd {}

impl<T: AsFd + ?Sized> AsFile for T {}

/// An owned file handle.
pub(crate) type File = OwnedFd;
/// A borrowed file handle.
pub(crate) type FileRef<'a> = BorrowedFd<'a>;

/// Borrows the handle of a file given by a user.
pub(crate) fn file_ref<F: AsFile>(file: &F) -> FileRef<'_> {
    file.as_fd()
}

/// Takes over a file of the standard library.
pub(crate) fn file_of(file: std::fs::File) -> File {
    OwnedFd::from(file)
}

/// A second handle of the same open file, closed on `exec`.
pub(crate) fn duplicate(file: FileRef<'_>) -> io::Result<File> {
    file.try_clone_to_owned()
}

/// Opens an existing file for a mapping of this protection.
pub(crate) fn open(path: &Path, protection: Protection) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new().read(true).write(protection.write_shared()).open(path)
}

// One name for the calls whose file offset is 64 bits wide also on 32-bit systems.
#[cfg(not(any(target_os = "android", all(target_os = "linux", not(target_env = "musl")))))]
use libc::{fstat, ftruncate, mmap, off_t, pwrite, stat};
#[cfg(any(target_os = "android", all(target_os = "linux", not(target_env = "musl"))))]
use libc::{
    fstat64 as fstat, ftruncate64 as ftruncate, mmap64 as mmap, off64_t as off_t, pwrite64 as pwrite, stat64 as stat,
};

/// Bytes per page: `sysconf(_SC_PAGESIZE)`, asked once.
pub(crate) fn page_size() -> usize {
    static CACHED: AtomicUsize = AtomicUsize::new(0);
    match CACHED.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: `sysconf` only reads its argument and is thread-safe (POSIX).
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            // POSIX allows no failure for this name; a system that gave one anyway has pages of the usual size.
            let size = usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096);
            CACHED.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// Offsets of mappings are multiples of the page size on Unix.
pub(crate) fn granularity() -> usize {
    page_size()
}

/// `fstat`, and what the system adds to it.
pub(crate) fn inspect(file: FileRef<'_>) -> io::Result<FileInfo> {
    let stat = stat_of(file)?;
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => FileKind::Regular,
        // POSIX shared memory of Apple's systems has no type (xnu, bsd/kern/posix_shm.c).
        0 if cfg!(target_vendor = "apple") => FileKind::Regular,
        libc::S_IFDIR => FileKind::Directory,
        _ => FileKind::Other,
    };
    // A negative length does not occur (POSIX: the size of the file in bytes).
    let len = u64::try_from(stat.st_size).unwrap_or(0);
    // `st_blocks` counts units of 512 bytes on every system in the platform table.
    let allocated = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let page_size = os::page_size_of(file, &stat).unwrap_or_else(page_size);
    Ok(FileInfo { len, allocated, kind, page_size, id: Some(id_of(&stat)) })
}

/// Whether the file of this name is the one that is open: `fstat` against `lstat`.
pub(crate) fn is_at(file: FileRef<'_>, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(open), Ok(named)) = (stat_of(file), std::fs::symlink_metadata(path)) else {
        return false;
    };
    id_of(&open) == FileId(named.dev(), named.ino())
}

/// Device and inode, which are a file's own as long as it is open (POSIX, sys/stat.h).
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the widths and signs differ by system")]
fn id_of(stat: &stat) -> FileId {
    FileId(stat.st_dev as u64, stat.st_ino as u64)
}

/// `fstat`.
fn stat_of(file: FileRef<'_>) -> io::Result<stat> {
    let mut stat = MaybeUninit::<stat>::uninit();
    // SAFETY: the descriptor is open as long as it is borrowed; `stat` is large enough for what `fstat` writes.
    let result = unsafe { fstat(file.as_raw_fd(), stat.as_mut_ptr()) };
    zero_or_errno(result)?;
    // SAFETY: `fstat` succeeded and so filled the whole structure (fstat(2)).
    Ok(unsafe { stat.assume_init() })
}

/// `pwrite`: how many of the bytes were written.
pub(crate) fn write_at(file: FileRef<'_>, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let Ok(offset) = off_t::try_from(offset) else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    loop {
        // SAFETY: the descriptor is open as long as it is borrowed; the bytes are valid for reads of their length.
        let count = unsafe { pwrite(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), offset) };
        if let Ok(count) = usize::try_from(count) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// How long this process may make a file: `RLIMIT_FSIZE`. A call that goes beyond it raises SIGXFSZ, which ends the process
/// (setrlimit(2)), so it must not be made.
pub(crate) fn file_len_limit() -> u64 {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the structure has room for what the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, limit.as_mut_ptr()) } != 0 {
        return u64::MAX;
    }
    // SAFETY: the call succeeded and so filled it.
    let current = unsafe { limit.assume_init() }.rlim_cur;
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "its width and sign differ by system")]
    if current == libc::RLIM_INFINITY { u64::MAX } else { current as u64 }
}

/// The error for a file that would become longer than [`file_len_limit`].
pub(crate) fn file_too_long() -> io::Error {
    io::Error::from_raw_os_error(libc::EFBIG)
}

/// `ftruncate`.
pub(crate) fn set_len(file: FileRef<'_>, len: u64) -> io::Result<()> {
    let Ok(len) = off_t::try_from(len) else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    // SAFETY: the descriptor is open as long as it is borrowed; the call takes no pointer.
    retry(|| unsafe { ftruncate(file.as_raw_fd(), len) })
}

/// The `PROT_*` bits of a protection.
fn prot_bits(protection: Protection) -> c_int {
    match protection {
        Protection::Read => libc::PROT_READ,
        Protection::ReadWrite | Protection::ReadCopy => libc::PROT_READ | libc::PROT_WRITE,
        Protection::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
    }
}

/// The `MAP_*` bits of a set of flags.
fn map_bits(flags: &MapFlags) -> c_int {
    let private = flags.private || flags.protection == Protection::ReadCopy;
    let sharing = if private { libc::MAP_PRIVATE } else { libc::MAP_SHARED };
    sharing | os::extra_map_bits(flags)
}

/// `mmap` of a file.
pub(crate) fn map_file(file: FileRef<'_>, offset: u64, len: usize, flags: &MapFlags) -> io::Result<NonNull<u8>> {
    let Ok(offset) = off_t::try_from(offset) else {
        // Only where the system's own file offsets are 32 bits wide.
        return Err(io::Error::from_raw_os_error(libc::EOVERFLOW));
    };
    map(len, prot_bits(flags.protection), map_bits(flags), file.as_raw_fd(), offset).map_err(|error| {
        let unmappable =
            || io::Error::new(io::ErrorKind::InvalidInput, "the file's file system cannot map it into memory");
        match error.raw_os_error() {
            // No mapping of this file, says its file system (mmap(2)).
            Some(libc::ENODEV) => unmappable(),
            // The same, where it is not what a disk says that has failed.
            Some(libc::EIO) if os::refuses_mappings_by_eio(file) => unmappable(),
            // Opened with O_PATH, which gives no access to the bytes (open(2)).
            Some(libc::EBADF) => io::Error::new(io::ErrorKind::PermissionDenied, "the file is not open for reading"),
            _ => error,
        }
    })
}

/// `mmap` of anonymous memory.
pub(crate) fn map_anonymous(len: usize, flags: &MapFlags) -> io::Result<NonNull<u8>> {
    map(len, prot_bits(flags.protection), map_bits(flags) | libc::MAP_ANON, -1, 0)
}

/// `mmap` at an address of the kernel's choice.
fn map(len: usize, prot: c_int, bits: c_int, fd: c_int, offset: off_t) -> io::Result<NonNull<u8>> {
    // SAFETY: without MAP_FIXED the kernel places the mapping where nothing else is (mmap(2)), so no memory that Rust
    // knows of is touched.
    let address = unsafe { mmap(ptr::null_mut(), len, prot, bits, fd, offset) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // The kernel does not place mappings at address zero unless it is asked to (mmap(2), `vm.mmap_min_addr`).
    NonNull::new(address.cast()).ok_or_else(|| io::Error::other("the system mapped at the null address"))
}

/// Whether a file of length zero is of a kind that could be mapped if it had bytes: maps one page of it and takes it
/// away again. Files of `/proc` claim a length of zero and refuse; an ordinary empty file gives its page.
pub(crate) fn probe_mappable(file: FileRef<'_>, page_size: usize, flags: &MapFlags) -> io::Result<()> {
    let flags = MapFlags { populate: false, ..*flags };
    match map_file(file, 0, page_size, &flags) {
        Ok(address) => {
            // SAFETY: the mapping was made just above with this length, and nobody has its address.
            unsafe { unmap(address, page_size, Source::File) }
        }
        // Emulators of processors with larger pages than the machine's refuse any page of an empty file so (qemu-user); Linux
        // itself has no such answer for a whole page at offset 0.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        Err(error) => Err(error),
    }
}

/// `munmap`.
///
/// # Safety
///
/// `address` and `len` are a whole mapping made by this module, and nothing uses its memory any more.
pub(crate) unsafe fn unmap(address: NonNull<u8>, len: usize, _source: Source) -> io::Result<()> {
    // SAFETY: the caller gives up a mapping of exactly this range.
    zero_or_errno(unsafe { libc::munmap(address.as_ptr().cast(), len) })
}

/// What is written to a shared mapping is in the file (POSIX).
pub(crate) fn write_back(_address: NonNull<u8>, _len: usize, _file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    Ok(())
}

/// `mprotect`.
///
/// # Safety
///
/// The pages belong to a mapping made by this module, and nothing in the program relies on the access that is taken
/// away from them.
pub(crate) unsafe fn protect(address: NonNull<u8>, len: usize, protection: Protection) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping (contract); the caller vouches for those who use them.
    zero_or_errno(unsafe { libc::mprotect(address.as_ptr().cast(), len, prot_bits(protection)) })
}

/// `mprotect(PROT_NONE)`.
///
/// # Safety
///
/// The pages belong to a mapping made by this module, and nothing uses them.
pub(crate) unsafe fn forbid(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping (contract), which nothing uses (caller).
    zero_or_errno(unsafe { libc::mprotect(address.as_ptr().cast(), len, libc::PROT_NONE) })
}

/// Has `child` called in every child that is made by `fork` after this has returned, once at least, however often and by how
/// many threads this is called (pthread_atfork(3)).
pub(crate) fn on_fork(child: extern "C" fn()) -> io::Result<()> {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.load(Ordering::Acquire) {
        return Ok(());
    }
    // Threads that meet here do this once each. To wait for the first would take a lock, which a child could find locked.
    // SAFETY: the function is one of ours, which stores to atomics and so may run in a child of any process.
    match unsafe { libc::pthread_atfork(None, None, Some(child)) } {
        0 => {
            DONE.store(true, Ordering::Release);
            Ok(())
        }
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Runs `call` until it is not interrupted by a signal.
fn retry(mut call: impl FnMut() -> c_int) -> io::Result<()> {
    loop {
        match zero_or_errno(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// `msync` with the given flags.
fn msync(address: NonNull<u8>, len: usize, flags: c_int) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping (contract). Without MS_INVALIDATE the call changes no byte of
    // memory (msync(2)); a range that is not mapped would be an error, not an access.
    retry(|| unsafe { libc::msync(address.as_ptr().cast(), len, flags) })
}
