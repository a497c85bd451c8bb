//! Memory with seals, which Linux has and FreeBSD made after it: memfd_create(2), fcntl(2).

use crate::sys::{File, FileRef, zero_or_errno};
use std::ffi::{CStr, c_int, c_uint};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What proves that no byte can change: nobody can write, by a call or through a mapping that is there already, and nobody can
/// cut the memory short. Either alone is no proof, and neither is `F_SEAL_FUTURE_WRITE`: a mapping made before goes on writing.
const PROOF: c_int = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK;

/// `memfd_create`: memory of no bytes that can be sealed, closed on `exec`.
pub(crate) fn memory_file(name: &CStr) -> io::Result<File> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // It is data and no program. Some systems insist on being told so (`vm.memfd_noexec`), older ones do not know the flag.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match create(name, flags | libc::MFD_NOEXEC_SEAL) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
        result => return result,
    }
    create(name, flags)
}

fn create(name: &CStr, flags: c_uint) -> io::Result<File> {
    // The bare call: C libraries have a name for it since glibc 2.27 and Android 11, which folio need not insist on.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the name is a C string, which the call reads.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) };
    #[cfg(target_os = "freebsd")]
    // SAFETY: the name is a C string, which the call reads.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    // SAFETY: this is what the call has just answered.
    unsafe { owned(fd) }
}

/// The descriptor that a call has made, or why it has not. Call it at once: it reads the last error.
///
/// # Safety
///
/// `fd` is what a call answered that makes descriptors, which nobody has taken yet; negative if it failed.
pub(super) unsafe fn owned(fd: impl TryInto<RawFd>) -> io::Result<File> {
    match fd.try_into() {
        // SAFETY: the descriptor is new, so it is open and nobody else's (caller).
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The seals of a file; `None` of one that has no such thing.
fn seals_of(file: FileRef<'_>) -> Option<c_int> {
    // SAFETY: the descriptor is open as long as it is borrowed; the command takes no pointer.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    (seals >= 0).then_some(seals)
}

/// Whether seals prove that the file cannot change; `None` of a file that has no seals.
pub(crate) fn is_sealed(file: FileRef<'_>) -> Option<bool> {
    seals_of(file).map(|seals| seals & PROOF == PROOF)
}

/// Whether [`seal`] has a chance, as far as the seals that are there tell.
pub(crate) fn check_sealable(file: FileRef<'_>) -> io::Result<()> {
    match seals_of(file) {
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the file is no memory that can be sealed")),
        Some(seals) if seals & PROOF == PROOF || seals & libc::F_SEAL_SEAL == 0 => Ok(()),
        Some(_) => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the memory is sealed against further seals")),
    }
}

/// `F_ADD_SEALS`: nobody changes the memory or its length from here on, or adds a seal. Refused while there is a shared
/// mapping that could write, by whomever.
pub(crate) fn seal(file: FileRef<'_>) -> io::Result<()> {
    if is_sealed(file) == Some(true) {
        return Ok(());
    }
    let all = PROOF | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is open as long as it is borrowed; the command takes a number.
    zero_or_errno(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, all) })
}
