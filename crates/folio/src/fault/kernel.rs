//! Checked copies made by the kernel: a page that cannot be reached gives a short count or `EFAULT`, never a signal.
//!
//! The kernel only ever moves bytes between the mapping and a small buffer on our own stack, and a plain copy moves
//! them between that buffer and the caller's memory. So a short count always speaks of the view's side, and a lost
//! page on the caller's side ends as in any plain copy.

use super::Stop;
use super::word::Word;
use crate::sys;
use std::{io, ptr};

/// Bytes moved by one system call. It is also the least that POSIX lets a pipe take at once (`PIPE_BUF` is 4096 on
/// Linux, 512 elsewhere; a pipe that is empty holds at least this much on every system in the platform table), and
/// small enough for a thread with the smallest stack there is.
const CHUNK: usize = 4096;

/// See [`super::read`].
///
/// # Safety
///
/// As [`super::read`].
pub(super) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) -> Result<(), Stop> {
    let mut buffer = [0u8; CHUNK];
    let mut done = 0;
    while done < len {
        let want = CHUNK.min(len - done);
        // SAFETY: `done < len`, so this stays inside the range that the caller vouches for.
        let from = unsafe { src.add(done) };
        // SAFETY: `want` bytes at `from` lie in the mapping (caller); the buffer is ours and `want` long at least.
        let got = unsafe { sys::checked_read(from, &mut buffer[..want]) }.map_err(Stop::Failed)?;
        // SAFETY: as for `src`, on the caller's side.
        let to = unsafe { dst.add(done) };
        // SAFETY: `got <= want`; `to` is valid for that many writes (caller) and does not overlap our buffer.
        unsafe { ptr::copy_nonoverlapping(buffer.as_ptr(), to, got) };
        done += got;
        if got < want {
            return Err(Stop::lost(done));
        }
    }
    Ok(())
}

/// See [`super::write`].
///
/// # Safety
///
/// As [`super::write`].
pub(super) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Stop> {
    let mut buffer = [0u8; CHUNK];
    let mut done = 0;
    while done < len {
        let want = CHUNK.min(len - done);
        // SAFETY: `done < len`, so this stays inside the range that the caller vouches for.
        let from = unsafe { src.add(done) };
        // SAFETY: `want` bytes at `from` are valid for reads (caller); our buffer is that long and does not overlap.
        unsafe { ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), want) };
        // SAFETY: as for `src`, on the view's side.
        let to = unsafe { dst.add(done) };
        // SAFETY: `want` bytes at `to` lie in the mapping and no reference to them exists (caller).
        let got = unsafe { sys::checked_write(to, &buffer[..want]) }.map_err(Stop::Failed)?;
        done += got;
        if got < want {
            return Err(Stop::lost(done));
        }
    }
    Ok(())
}

/// See [`super::load`]. The word may be torn: the kernel says nothing about how it copies.
///
/// # Safety
///
/// As [`super::load`].
pub(super) unsafe fn load<W: Word>(src: *const u8) -> Result<W, Stop> {
    let mut value = W::default();
    // SAFETY: passed on; `value` is ours, and any bytes are a value of it.
    unsafe { read(src, (&raw mut value).cast(), W::WIDTH) }?;
    Ok(value)
}

/// See [`super::store`]. The word may be torn: the kernel says nothing about how it copies.
///
/// # Safety
///
/// As [`super::store`].
pub(super) unsafe fn store<W: Word>(dst: *mut u8, value: W) -> Result<(), Stop> {
    // SAFETY: passed on; `value` is ours.
    unsafe { write(dst, (&raw const value).cast(), W::WIDTH) }
}

/// The answer to every atomic access. No system call makes one for us and answers with what was there, and an ordinary
/// one may die of a page that was there when we looked.
pub(super) fn no_atomics() -> Stop {
    Stop::Failed(io::Error::new(io::ErrorKind::Unsupported, "kernel copies cannot make atomic accesses"))
}
