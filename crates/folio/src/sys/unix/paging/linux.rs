//! Paging on Linux and Android.

use super::madvise;
use crate::paging::{Advice, UncheckedAdvice};
use crate::range::{round_down, round_up};
use crate::sys::unix::{FileRef, retry, stat_of};
use crate::sys::{Cached, FileId, Populate, Populated, zero_or_errno};
use std::ffi::{CString, c_int, c_long};
use std::fs;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

// What not every C library names (include/uapi/asm-generic/mman-common.h).
const MADV_COLD: c_int = 20;
const MADV_PAGEOUT: c_int = 21;
const MADV_POPULATE_READ: c_int = 22;
const MADV_POPULATE_WRITE: c_int = 23;
const MADV_COLLAPSE: c_int = 25;

/// A page that the hardware lost (include/uapi/asm-generic/errno.h).
#[cfg(target_os = "android")]
const EHWPOISON: c_int = 133;
#[cfg(not(target_os = "android"))]
use libc::EHWPOISON;

/// [`discard`] leaves zeros: pages of private anonymous memory are made anew at their next use (madvise(2)).
pub(crate) const DISCARD_ZEROES: bool = true;

/// What else `ENOMEM` of `mlock` may mean (mlock(2)).
pub(super) const OTHER_LIMIT: &str = ", and there is vm.max_map_count";

/// The number of a hint, if there is one (madvise(2)).
pub(super) fn number(advice: Advice) -> Option<c_int> {
    Some(match advice {
        Advice::Normal => libc::MADV_NORMAL,
        Advice::Random => libc::MADV_RANDOM,
        Advice::Sequential => libc::MADV_SEQUENTIAL,
        Advice::WillNeed => libc::MADV_WILLNEED,
        Advice::Cold => MADV_COLD,
        Advice::PageOut => MADV_PAGEOUT,
        Advice::HugePage => libc::MADV_HUGEPAGE,
        Advice::NoHugePage => libc::MADV_NOHUGEPAGE,
        Advice::Collapse => MADV_COLLAPSE,
        Advice::Mergeable => libc::MADV_MERGEABLE,
        Advice::Unmergeable => libc::MADV_UNMERGEABLE,
        Advice::DontDump => libc::MADV_DONTDUMP,
        Advice::DoDump => libc::MADV_DODUMP,
        Advice::DoFork => libc::MADV_DOFORK,
        Advice::KeepOnFork => libc::MADV_KEEPONFORK,
    })
}

/// The number of a command, if there is one (madvise(2)).
pub(super) fn unchecked_number(advice: UncheckedAdvice) -> Option<c_int> {
    Some(match advice {
        UncheckedAdvice::DontNeed => libc::MADV_DONTNEED,
        UncheckedAdvice::Free => libc::MADV_FREE,
        UncheckedAdvice::Remove => libc::MADV_REMOVE,
        UncheckedAdvice::DontFork => libc::MADV_DONTFORK,
        UncheckedAdvice::WipeOnFork => libc::MADV_WIPEONFORK,
        UncheckedAdvice::HwPoison => libc::MADV_HWPOISON,
        UncheckedAdvice::FreeReusable | UncheckedAdvice::FreeReuse | UncheckedAdvice::ZeroWiredPages => return None,
    })
}

/// Whether a hint makes sense for a range. A collapse of one without a whole huge page does nothing and says that all is well.
pub(super) fn applies(advice: Advice, address: NonNull<u8>, len: usize) -> bool {
    /// Bytes of a transparent huge page; 0 where that is not known.
    static HUGE: OnceLock<usize> = OnceLock::new();
    if advice != Advice::Collapse {
        return true;
    }
    let huge = *HUGE.get_or_init(|| {
        let size = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
        size.ok().and_then(|text| text.trim().parse().ok()).filter(|size: &usize| size.is_power_of_two()).unwrap_or(0)
    });
    let start = address.as_ptr().addr();
    huge == 0 || round_up(start, huge).is_some_and(|first| first < round_down(start + len, huge))
}

/// Whether this kernel has an advice of this number: of a range of no bytes it only looks at the number (madvise(2)).
pub(super) fn knows_number(number: c_int) -> bool {
    // SAFETY: a range of no bytes holds no page that could be treated in any way.
    unsafe { libc::madvise(ptr::null_mut(), 0, number) == 0 }
}

/// `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE` (Linux 5.14).
pub(crate) fn populate(address: NonNull<u8>, len: usize, how: Populate) -> io::Result<Populated> {
    let number = match how {
        Populate::Read => MADV_POPULATE_READ,
        Populate::Write => MADV_POPULATE_WRITE,
    };
    // SAFETY: the range is whole pages of one mapping (contract). The call brings pages in and changes no byte of them
    // (madvise(2)).
    match unsafe { madvise(address, len, number) } {
        Ok(()) => Ok(Populated::Done),
        Err(error) => match error.raw_os_error() {
            // An access would have raised SIGBUS (madvise(2)).
            Some(libc::EFAULT | EHWPOISON) => Ok(Populated::Lost),
            // An older kernel, memory of a special kind (memfd_secret(2)), or a filter of system calls.
            Some(libc::EINVAL | libc::ENOSYS | libc::EPERM) => Ok(Populated::NotSupported),
            _ => Err(error),
        },
    }
}

/// Whether pages of a range are locked, though the call that locks them has failed: the kernel marks them first and brings them
/// in then (mm/mlock.c). `MS_INVALIDATE` does nothing else here than to refuse ranges with such pages (msync(2)).
pub(super) fn may_be_locked(address: NonNull<u8>, len: usize) -> bool {
    // SAFETY: the range is whole pages of one mapping (contract). Without MS_SYNC nothing is written, and pages are never
    // invalidated on Linux (mm/msync.c).
    let result = unsafe { libc::msync(address.as_ptr().cast(), len, libc::MS_ASYNC | libc::MS_INVALIDATE) };
    zero_or_errno(result).is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY))
}

/// `MADV_DONTNEED`.
///
/// # Safety
///
/// The pages belong to private anonymous memory, and nobody relies on what is in them.
pub(crate) unsafe fn discard(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the same obligations, passed on: the pages stay mapped, and are zeros (madvise(2)).
    unsafe { madvise(address, len, libc::MADV_DONTNEED) }
}

/// `mincore`: one byte for each page of the system, whose lowest bit says whether it is in memory.
pub(crate) fn resident(address: NonNull<u8>, len: usize, pages: &mut [u8]) -> io::Result<()> {
    debug_assert_eq!(pages.len(), len / super::super::page_size());
    // SAFETY: the range is whole pages of one mapping, and `pages` has a byte for each of them (contract).
    retry(|| unsafe { libc::mincore(address.as_ptr().cast(), len, pages.as_mut_ptr()) })
}

/// `cachestat` (Linux 6.5): `None` where the kernel or the file system has no answer, or gives it to others only.
pub(crate) fn cached(file: FileRef<'_>, offset: u64, len: u64) -> io::Result<Option<Cached>> {
    /// Its number is the same on every architecture (include/uapi/asm-generic/unistd.h).
    const SYS_CACHESTAT: c_long = 451;
    let range = [offset, len];
    // nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted (include/uapi/linux/mman.h).
    let mut counts = [0u64; 5];
    let flags: c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed; the range is two 64-bit words, which the call reads, and the
    // counts are five, which it fills.
    let result = unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), flags) };
    if result == 0 {
        let [resident, dirty, writeback, evicted, recently_evicted] = counts;
        return Ok(Some(Cached { resident, dirty, writeback, evicted, recently_evicted }));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // No such call; files of huge pages; somebody else's file.
        Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM | libc::EACCES) => Ok(None),
        // A handle that reaches no pages (O_PATH).
        _ => Err(error),
    }
}

/// Whether `mincore` says the truth of a mapping of this file: to those who own the file or could write it. Of the files of
/// others it says that every page is in memory (mm/mincore.c, since Linux 5.2). Without a handle the file is looked for.
pub(crate) fn tells_residency(address: NonNull<u8>, file: Option<FileRef<'_>>, id: Option<FileId>) -> bool {
    match (file, id) {
        (Some(file), _) => owns_or_writes(file),
        (None, Some(id)) => file_at(address.as_ptr().addr(), id).is_some_and(|file| owns_or_writes(file.as_fd())),
        (None, None) => false,
    }
}

/// Whether this process owns the file, or could open it for writing.
fn owns_or_writes(file: FileRef<'_>) -> bool {
    /// Its number is the same on every architecture (include/uapi/asm-generic/unistd.h); Linux 5.8.
    const SYS_FACCESSAT2: c_long = 439;
    /// As in include/uapi/linux/fcntl.h; not among the names for Android.
    const AT_EACCESS: c_int = 0x200;
    // SAFETY: the call has no obligations.
    let user = unsafe { libc::geteuid() };
    if stat_of(file).is_ok_and(|stat| stat.st_uid == user) {
        return true;
    }
    let flags: c_int = libc::AT_EMPTY_PATH | AT_EACCESS;
    // SAFETY: the descriptor is open as long as it is borrowed, and the path is an empty C string.
    let result = unsafe { libc::syscall(SYS_FACCESSAT2, file.as_raw_fd(), c"".as_ptr(), libc::W_OK, flags) };
    if result == 0 {
        return true;
    }
    let error = io::Error::last_os_error();
    // An older kernel, or a filter that does not know the call: `access` asks the same for the real user.
    // SAFETY: the call has no obligations.
    let real = unsafe { libc::getuid() };
    let unknown = matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM));
    let Ok(path) = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())) else {
        return false;
    };
    // SAFETY: the path is a C string.
    unknown && real == user && unsafe { libc::access(path.as_ptr(), libc::W_OK) } == 0
}

/// A handle of the file that is mapped at an address, which gives no access to the bytes: by the kernel's own link to it, which
/// only some may follow (proc_pid_map_files(5)), by its path, if that still leads there (proc_pid_maps(5)), or by a descriptor of
/// it that the process has open.
fn file_at(address: usize, id: FileId) -> Option<fs::File> {
    let open = |path: &Path| {
        let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path).ok()?;
        let found = file.metadata().ok()?;
        (FileId(found.dev(), found.ino()) == id).then_some(file)
    };
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| range_of(line).is_some_and(|range| range.contains(&address)))?;
    // Range, permissions, offset, device, inode, path.
    let mut fields = line.splitn(6, ' ');
    let (range, path) = (fields.next()?, fields.nth(4)?.trim_start());
    let by_link = open(format!("/proc/self/map_files/{range}").as_ref());
    by_link.or_else(|| open(path.as_ref())).or_else(|| {
        let mut descriptors = fs::read_dir("/proc/self/fd").ok()?;
        descriptors.find_map(|descriptor| open(&descriptor.ok()?.path()))
    })
}

/// The addresses of a line of `/proc/self/maps`.
fn range_of(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}
