//! Checked copies made by the kernel: a page that cannot be reached gives a short count or `EFAULT`, never a signal.
//!
//! The kernel only ever moves bytes between the mapping and a small buffer on our own stack, and a plain copy moves
//! them between that buffer and the caller's memory. So a short count always speaks of the view's side, and a lost
//! page on the caller's side ends as in any plain copy.

use super::Stop;
use crate::sys;
use std::io;
use std::ptr;

/// Bytes moved by one system call: no more than an empty pipe takes at once on any system in the platform table, and
/// small enough for the smallest stack that a thread can have.
const CHUNK: usize = 4096;

/// See [`super::read`].
///
/// # Safety
///
/// As [`super::read`].
pub(super) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) -> Result<(), Stop> {
    let mut buffer = [0u8; CHUNK];
    by_steps(len, |done, want| {
        let from = src.wrapping_add(done);
        // SAFETY: `want` bytes at `from` lie in the mapping (`by_steps` stays below `len`; caller); the buffer is ours.
        let got = unsafe { sys::checked_read(from, &mut buffer[..want]) }?;
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
    by_steps(len, |done, want| {
        let from = src.wrapping_add(done);
        // SAFETY: `want` bytes at `from` are valid for reads (`by_steps` stays below `len`; caller); our own buffer is that
        // long and does not overlap them.
        unsafe { ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), want) };
        let to = dst.wrapping_add(done);
        // SAFETY: `want` bytes at `to` lie in the mapping and no reference to them exists (caller).
        unsafe { sys::checked_write(to, &buffer[..want]) }
    })
}

/// Calls `step(done, want)` until `len` bytes are done; it answers how many of the wanted ones it could reach. After a short
/// answer the bytes are asked for one by one up to the next whole chunk: systems may count in coarser steps than bytes, and
/// the offset of a fault is exact.
fn by_steps(len: usize, mut step: impl FnMut(usize, usize) -> io::Result<usize>) -> Result<(), Stop> {
    let mut done = 0;
    let mut singly_until = 0;
    while done < len {
        let want = if done < singly_until { 1 } else { CHUNK.min(len - done) };
        let got = step(done, want).map_err(Stop::Failed)?;
        if got == 0 && want == 1 {
            return Err(Stop::Fault(done));
        }
        if got < want {
            singly_until = done + want;
        }
        done += got;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel whose copies count in words of 8 bytes still gives the exact byte.
    #[test]
    fn the_offset_is_exact_where_the_system_counts_coarsely() {
        for lost in [0, 1, 7, 8, 9, 4095, 4096, 4097, 9999] {
            let reach = |done: usize, want: usize| {
                let real = lost.max(done).min(done + want) - done;
                Ok(if want == 1 {
                    real
                } else if real == want {
                    want
                } else {
                    real / 8 * 8
                })
            };
            match by_steps(10_000, reach) {
                Err(Stop::Fault(at)) => assert_eq!(at, lost),
                other => panic!("{other:?}"),
            }
        }
    }

    /// A page that is back when it is asked for again is no fault.
    #[test]
    fn a_page_that_comes_back_is_no_fault() {
        let mut short = true;
        let mut total = 0;
        by_steps(10_000, |_, want| {
            let got = if std::mem::take(&mut short) { 100 } else { want };
            total += got;
            Ok(got)
        })
        .unwrap();
        assert_eq!(total, 10_000);
    }
}
