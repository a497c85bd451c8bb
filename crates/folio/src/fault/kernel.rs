//! Checked copies made by the kernel: a page that cannot be reached gives a short count or `EFAULT`, never a signal.
//!
//! The kernel only ever moves bytes between the mapping and a small buffer on our own stack, and a plain copy moves
//! them between that buffer and the caller's memory. So a short count always speaks of the view's side, and a lost
//! page on the caller's side ends as in any plain copy.

use super::Stop;
use super::word::Word;
use crate::sys;
use std::io;
use std::ptr;

/// Bytes moved by one system call at most: a divisor of every page size, no more than an empty pipe takes at once on any system
/// in the platform table, and small enough for the smallest stack that a thread can have.
const CHUNK: usize = 4096;

/// See [`super::read`].
///
/// # Safety
///
/// As [`super::read`].
pub(super) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) -> Result<(), Stop> {
    let mut buffer = [0u8; CHUNK];
    let mut state = sys::CopyState::new();
    by_steps(src.addr(), len, |done, want| {
        let from = src.wrapping_add(done);
        // SAFETY: `want` bytes at `from` lie in the mapping (`by_steps` stays below `len`; caller); the buffer is ours.
        let got = unsafe { sys::checked_read(from, &mut buffer[..want], &mut state) }?;
        let to = dst.wrapping_add(done);
        // SAFETY: `got <= want`, so these bytes at `to` are valid for writes (caller); our own buffer does not overlap them.
        unsafe { ptr::copy_nonoverlapping(buffer.as_ptr(), to, got) };
        Ok(got)
    })
}

/// See [`super::write`].
///
/// # Safety
///
/// As [`super::write`].
pub(super) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Stop> {
    let mut buffer = [0u8; CHUNK];
    let mut state = sys::CopyState::new();
    by_steps(dst.addr(), len, |done, want| {
        let from = src.wrapping_add(done);
        // SAFETY: `want` bytes at `from` are valid for reads (`by_steps` stays below `len`; caller); our own buffer is that
        // long and does not overlap them.
        unsafe { ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), want) };
        let to = dst.wrapping_add(done);
        // SAFETY: `want` bytes at `to` lie in the mapping and no reference to them exists (caller).
        unsafe { sys::checked_write(to, &buffer[..want], &mut state) }
    })
}

/// See [`super::try_load`]. The word may be torn: the kernel says nothing about how it copies.
///
/// # Safety
///
/// As [`super::try_load`].
pub(super) unsafe fn load<W: Word>(src: *const u8) -> Result<W, Stop> {
    let mut value = W::default();
    // SAFETY: passed on; `value` is ours, and any bytes are a value of it.
    unsafe { read(src, (&raw mut value).cast(), W::WIDTH) }?;
    Ok(value)
}

/// See [`super::try_store`]. The word may be torn: the kernel says nothing about how it copies.
///
/// # Safety
///
/// As [`super::try_store`].
pub(super) unsafe fn store<W: Word>(dst: *mut u8, value: W) -> Result<(), Stop> {
    // SAFETY: passed on; `value` is ours.
    unsafe { write(dst, (&raw const value).cast(), W::WIDTH) }
}

/// The answer to every atomic access. No system call makes one for us and answers with what was there, and an ordinary
/// one may die of a page that was there when we looked.
pub(super) fn no_atomics() -> Stop {
    Stop::Failed(io::Error::new(io::ErrorKind::Unsupported, "kernel copies cannot make atomic accesses"))
}

/// Calls `step(done, want)` until `len` bytes at `address` are done; it answers how many of the wanted ones it could reach.
/// No step reaches over the end of a page, and pages are lost whole: so a step that reaches nothing gives the exact offset,
/// however coarsely the system counts.
fn by_steps(address: usize, len: usize, mut step: impl FnMut(usize, usize) -> io::Result<usize>) -> Result<(), Stop> {
    let mut done = 0;
    while done < len {
        let to_boundary = CHUNK - address.wrapping_add(done) % CHUNK;
        match step(done, to_boundary.min(len - done)).map_err(Stop::Failed)? {
            0 => return Err(Stop::lost(done)),
            got => done += got,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Systems may count in coarser steps than bytes: the first byte that is lost is the first of a page, wherever the copy
    /// begins.
    #[test]
    fn the_offset_of_a_fault_is_the_start_of_a_page() {
        for address in [0, 1, 4095, 4096, 5000] {
            for lost in [4096, 8192, 12288usize] {
                let reach = |done: usize, want: usize| {
                    let at = address + done;
                    assert_eq!(at / CHUNK, (at + want - 1) / CHUNK, "one page");
                    Ok(if at >= lost { 0 } else { want })
                };
                match by_steps(address, 10_000, reach) {
                    Err(Stop::Fault(at)) => assert_eq!(at, lost.saturating_sub(address)),
                    Ok(()) => assert!(address + 10_000 <= lost),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// A page that is back when it is asked for again is no fault.
    #[test]
    fn a_page_that_comes_back_is_no_fault() {
        let mut short = true;
        let mut total = 0;
        by_steps(0, 10_000, |_, want| {
            let got = if std::mem::take(&mut short) { 100 } else { want };
            total += got;
            Ok(got)
        })
        .unwrap();
        assert_eq!(total, 10_000);
    }
}
