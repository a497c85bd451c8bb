//! Checked copies for any Unix: a pipe made for the one copy. `write` of a pipe reads the mapping and `read` writes it, and
//! both answer a short count or `EFAULT` at a page that cannot be reached (write(2), read(2), POSIX).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Copies out of the mapping at `from`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `from` lie in one mapping that stays mapped for the length of the call.
pub(crate) unsafe fn checked_read(from: *const u8, buffer: &mut [u8]) -> io::Result<usize> {
    let (reader, writer) = pipe()?;
    // SAFETY: the range lies in a mapping (caller); the kernel checks every page of it.
    let count = reached(retry(|| unsafe { libc::write(writer.as_raw_fd(), from.cast(), buffer.len()) }))?;
    // What went in comes out: nobody else has this pipe.
    let mut done = 0;
    while done < count {
        let rest = &mut buffer[done..count];
        // SAFETY: `rest` is ours and this long.
        done += retry(|| unsafe { libc::read(reader.as_raw_fd(), rest.as_mut_ptr().cast(), rest.len()) })?;
    }
    Ok(count)
}

/// Copies into the mapping at `to`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `to` lie in one mapping that stays mapped for the length of the call, and no reference to
/// them exists.
pub(crate) unsafe fn checked_write(to: *mut u8, buffer: &[u8]) -> io::Result<usize> {
    let (reader, writer) = pipe()?;
    let writer_fd = writer.as_raw_fd();
    // SAFETY: the buffer is valid for reads of its length.
    let filled = retry(|| unsafe { libc::write(writer_fd, buffer.as_ptr().cast(), buffer.len()) })?;
    // SAFETY: the range lies in a mapping and nobody has a reference to it (caller); the kernel checks every page of it.
    reached(retry(|| unsafe { libc::read(reader.as_raw_fd(), to.cast(), filled) }))
}

/// `EFAULT` means that not even the first byte could be reached.
fn reached(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(0),
        result => result,
    }
}

/// Runs `call` until it is not interrupted by a signal.
fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// A pipe of our own, closed on `exec`.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    #[cfg(not(target_vendor = "apple"))]
    // SAFETY: the array has room for the two descriptors that the call writes.
    let result = unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) };
    #[cfg(target_vendor = "apple")]
    // SAFETY: the array has room for the two descriptors that the call writes.
    let result = unsafe { libc::pipe(fds.as_mut_ptr()) };
    crate::sys::zero_or_errno(result)?;
    // SAFETY: the call succeeded: the descriptor is new and nobody else's.
    let reader = unsafe { OwnedFd::from_raw_fd(fds[0]) };
    // SAFETY: as above, for the second one.
    let writer = unsafe { OwnedFd::from_raw_fd(fds[1]) };
    #[cfg(target_vendor = "apple")]
    for end in [&reader, &writer] {
        // There is no way to make a pipe with this set; a child that another thread makes in between has it.
        // SAFETY: the descriptor is ours; the command takes no pointer.
        crate::sys::zero_or_errno(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    Ok((reader, writer))
}
