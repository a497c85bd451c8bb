//! What a file on WASI is open for, which the standard library does not say.

use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;

// The names and numbers of wasi-libc (`__header_fcntl.h`), which the standard library is linked with.
const F_GETFL: c_int = 3;
const O_APPEND: c_int = 1;
const O_RDONLY: c_int = 0x0400_0000;
const O_WRONLY: c_int = 0x1000_0000;

unsafe extern "C" {
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

/// Whether the file is open for reading, and for writing if that is wanted: `fcntl(F_GETFL)`.
pub(super) fn check_access(file: &std::fs::File, write: bool) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as it is borrowed; the command takes no pointer.
    let flags = unsafe { fcntl(file.as_raw_fd(), F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    let denied = |text| Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    if flags & O_RDONLY == 0 {
        denied("the file is not open for reading")
    } else if write && flags & O_WRONLY == 0 {
        denied("the file is not open for writing")
    } else if write && flags & O_APPEND != 0 {
        denied("the file is open for appending, so its bytes cannot be written back where they belong")
    } else {
        Ok(())
    }
}
