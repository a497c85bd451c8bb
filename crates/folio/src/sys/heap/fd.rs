//! Files of Unix: those of its own backend, and what takes no maps to read them.

use std::fs;
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;

pub use crate::sys::unix::AsFile;
pub(crate) use crate::sys::unix::{
    File, FileRef, allocate, duplicate, file_len_limit, file_of, file_ref, file_too_long, inspect, is_at, on_fork,
    open, set_len, start_thread, sync_all, write_at,
};

/// The file as the standard library has it. It is not closed.
fn std_file(file: FileRef<'_>) -> impl Deref<Target = fs::File> {
    // SAFETY: the descriptor is open as long as it is borrowed, which is longer than anybody here keeps the result; it is
    // never dropped, so the descriptor is not closed.
    ManuallyDrop::new(unsafe { fs::File::from_raw_fd(file.as_raw_fd()) })
}

/// `pread`.
pub(super) fn read_at(file: FileRef<'_>, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match std_file(file).read_at(bytes, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// `fdatasync`, or `fcntl(F_FULLFSYNC)` on Apple's systems.
pub(super) fn sync_data(file: FileRef<'_>) -> io::Result<()> {
    std_file(file).sync_data()
}

/// Whether the file is open for reading, and for writing if that is wanted: `fcntl(F_GETFL)`.
pub(super) fn check_access(file: FileRef<'_>, write: bool) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as it is borrowed; the command takes no pointer.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let no_access = flags & libc::O_PATH != 0;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let no_access = false;
    let mode = flags & libc::O_ACCMODE;
    let denied = |text| Err(io::Error::new(ErrorKind::PermissionDenied, text));
    if no_access || mode == libc::O_WRONLY {
        denied("the file is not open for reading")
    } else if write && mode == libc::O_RDONLY {
        denied("the file is not open for writing")
    } else if write && flags & libc::O_APPEND != 0 {
        // Linux appends whatever offset `pwrite` is given (pwrite(2), BUGS).
        denied("the file is open for appending, so its bytes cannot be written back where they belong")
    } else {
        Ok(())
    }
}
