//! Linux and Android.

use super::seals;
use crate::sys::{self, File, FileRef, MapFlags, Source, zero_or_errno};
use std::ffi::{c_int, c_long, c_ulong};
use std::io;
use std::ptr::NonNull;

/// Numbers of calls that not every C library names. They are the same on every architecture that folio knows
/// (include/uapi/asm-generic/unistd.h, arch/x86/entry/syscalls); on another one the kernel says `ENOSYS`.
const SYS_MEMFD_SECRET: c_long = 447;
const SYS_MSEAL: c_long = 462;

/// `MREMAP_MAYMOVE` and `MREMAP_FIXED` (include/uapi/linux/mman.h), which Android's C library does not name.
const MOVE_TO: c_int = 1 | 2;

/// Maps a file where another mapping is, whose pages go.
///
/// The file is mapped elsewhere first, and moved. A mapping call that is told the place takes away what is there before it asks
/// the file whether it can be mapped, on older kernels, and a failure would leave a hole (mmap(2), NOTES of POSIX). `mremap` fails
/// before that, but for want of the kernel's own memory for one small structure, which it does not refuse to a process that
/// lives on.
///
/// # Safety
///
/// The range is a whole mapping of pages of [`sys::page_size`], and nothing uses its memory.
pub(crate) unsafe fn map_file_over(
    address: NonNull<u8>,
    len: usize,
    file: FileRef<'_>,
    offset: u64,
    flags: &MapFlags,
) -> io::Result<()> {
    let elsewhere = sys::map_file(file, offset, len, flags)?;
    // SAFETY: the mapping was made just above with this length, and nobody has its address; the caller gives up what is mapped
    // at `address`, which the call unmaps (mremap(2)).
    let moved = unsafe { libc::syscall(libc::SYS_mremap, elsewhere.as_ptr(), len, len, MOVE_TO, address.as_ptr()) };
    if moved == -1 {
        let error = io::Error::last_os_error();
        // SAFETY: as above: it is still where it was made. The error to report is the first one.
        let _ = unsafe { sys::unmap(elsewhere, len, Source::File) };
        return Err(error);
    }
    Ok(())
}

/// `memfd_secret` (Linux 5.14): memory of no bytes whose pages are taken out of the kernel's own map of all memory, closed on
/// `exec`. Before Linux 6.5 only if the machine was booted with `secretmem.enable=1`.
pub(crate) fn secret_file() -> io::Result<File> {
    // The width of the call's argument.
    let flags = libc::O_CLOEXEC as c_ulong;
    // SAFETY: the call takes a number.
    let fd = unsafe { libc::syscall(SYS_MEMFD_SECRET, flags) };
    // SAFETY: this is what the call has just answered.
    unsafe { seals::owned(fd) }
}

/// `MADV_DONTDUMP` (Linux 3.4).
pub(crate) fn leave_out_of_dumps(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping (contract); the advice changes no byte and no access (madvise(2)).
    zero_or_errno(unsafe { libc::madvise(address.as_ptr().cast(), len, libc::MADV_DONTDUMP) })
}

/// `mseal` (Linux 6.10, 64-bit): the pages can no longer be unmapped, moved, replaced or given another protection, as long as
/// the process lives (mseal(2)).
pub(crate) fn mseal(address: NonNull<u8>, len: usize) -> io::Result<()> {
    let flags: c_ulong = 0;
    // SAFETY: the range is whole pages of one mapping (contract); the call changes no byte and no access, it forbids changes.
    let result = unsafe { libc::syscall(SYS_MSEAL, address.as_ptr(), len, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
