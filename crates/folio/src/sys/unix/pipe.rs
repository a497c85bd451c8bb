//! Checked copies for any Unix: a pipe made for the one copy. `write` of a pipe reads the mapping and `read` writes it, and
//! both answer a short count or `EFAULT` at a page that cannot be reached (write(2), read(2), POSIX).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What the steps of one copy hand on: the pipe, once there is one, the end to read from first. Between steps it is empty: a step that does
/// not come to its end may leave bytes in it, and gives it up.
///
/// The steps are written out, without a function around both: all of this has to fit on the smallest stack that a thread can have, also
/// without optimization.
#[derive(Debug)]
pub(crate) struct CopyState(Option<(OwnedFd, OwnedFd)>);

impl CopyState {
    pub(crate) const fn new() -> CopyState {
        CopyState(None)
    }
}

/// Copies out of the mapping at `from`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `from` lie in one mapping that stays mapped for the length of the call.
pub(crate) unsafe fn checked_read(from: *const u8, buffer: &mut [u8], state: &mut CopyState) -> io::Result<usize> {
    let (reader, writer) = match state.0.take() {
        Some(pipe) => pipe,
        None => pipe()?,
    };
    // SAFETY: the range lies in a mapping (caller); the kernel checks every page of it.
    let count = reached(retry(|| unsafe { libc::write(writer.as_raw_fd(), from.cast(), buffer.len()) }))?;
    // What went in comes out: nobody else has this pipe.
    let mut done = 0;
    while done < count {
        let rest = &mut buffer[done..count];
        // SAFETY: `rest` is ours and this long.
        done += retry(|| unsafe { libc::read(reader.as_raw_fd(), rest.as_mut_ptr().cast(), rest.len()) })?;
    }
    if count == buffer.len() {
        state.0 = Some((reader, writer));
    }
    Ok(count)
}

/// Copies into the mapping at `to`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `to` lie in one mapping that stays mapped for the length of the call, and no reference to
/// them exists.
pub(crate) unsafe fn checked_write(to: *mut u8, buffer: &[u8], state: &mut CopyState) -> io::Result<usize> {
    let (reader, writer) = match state.0.take() {
        Some(pipe) => pipe,
        None => pipe()?,
    };
    let writer_fd = writer.as_raw_fd();
    // SAFETY: the buffer is valid for reads of its length.
    let filled = retry(|| unsafe { libc::write(writer_fd, buffer.as_ptr().cast(), buffer.len()) })?;
    // SAFETY: the range lies in a mapping and nobody has a reference to it (caller); the kernel checks every page of it.
    let count = reached(retry(|| unsafe { libc::read(reader.as_raw_fd(), to.cast(), filled) }))?;
    if count == buffer.len() {
        state.0 = Some((reader, writer));
    }
    Ok(count)
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

#[cfg(all(test, not(folio_heap)))]
mod tests {
    use super::*;
    use crate::Protection;
    use crate::sys::{MapFlags, Source, forbid, map_anonymous, page_size, unmap};
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::ptr::NonNull;

    /// Two pages of which the second cannot be reached.
    fn half_lost(test: impl FnOnce(NonNull<u8>, usize)) {
        let page = page_size();
        let address = map_anonymous(2 * page, &MapFlags::plain(Protection::ReadWrite, true)).unwrap();
        // SAFETY: the mapping was made above with two pages, of which this is the second.
        let second = unsafe { address.add(page) };
        // SAFETY: the page was mapped above, and nobody else has its address.
        unsafe { forbid(second, page) }.unwrap();
        test(address, page);
        // SAFETY: the mapping was made above, and the test is over.
        unsafe { unmap(address, 2 * page, Source::Memory) }.unwrap();
    }

    /// A pipe for every step was five system calls for each 4 KiB.
    #[test]
    fn the_steps_of_a_copy_use_one_pipe() {
        half_lost(|address, _| {
            let mut state = CopyState::new();
            let mut first = None;
            for value in 1..100 {
                // SAFETY: the range lies in the mapping, to which there are no references.
                assert_eq!(unsafe { checked_write(address.as_ptr(), &[value; 100], &mut state) }.unwrap(), 100);
                let mut copy = [0; 100];
                // SAFETY: as in the call above.
                assert_eq!(unsafe { checked_read(address.as_ptr(), &mut copy, &mut state) }.unwrap(), 100);
                assert_eq!(copy, [value; 100]);
                // Descriptors are used again, and so are the system's numbers of pipes, unless the first is kept.
                let pipe = fs::File::from(state.0.as_ref().unwrap().0.try_clone().unwrap());
                let number = pipe.metadata().unwrap().ino();
                assert_eq!(first.get_or_insert((number, pipe)).0, number);
            }
        });
    }

    /// Bytes that a step could not bring to a lost page must not be taken for those of the next.
    #[test]
    fn what_a_step_leaves_in_the_pipe_is_in_no_later_step() {
        half_lost(|address, page| {
            let mut state = CopyState::new();
            let edge = address.as_ptr().wrapping_add(page - 10);
            for value in 1..10 {
                // SAFETY: the range lies in the mapping, to which there are no references.
                let written = unsafe { checked_write(edge, &[100 + value; 100], &mut state) }.unwrap();
                assert!(written <= 10);
                // SAFETY: as in the call above.
                let read = unsafe { checked_read(edge, &mut [0; 100], &mut state) }.unwrap();
                assert!(read <= 10);
                // SAFETY: as in the call above.
                assert_eq!(unsafe { checked_write(address.as_ptr(), &[value; 50], &mut state) }.unwrap(), 50);
                let mut copy = [0; 50];
                // SAFETY: as in the call above.
                assert_eq!(unsafe { checked_read(address.as_ptr(), &mut copy, &mut state) }.unwrap(), 50);
                assert_eq!(copy, [value; 50]);
            }
        });
    }
}
