//! Checked copies: `ReadProcessMemory` of this process itself, in both directions.
//!
//! The call takes two addresses, and the kernel copies from one to the other and survives a fault on either side; so
//! the same call reads from a mapping and writes to one. `WriteProcessMemory` is not used: it is made for debuggers and tries
//! to make pages writable that are not, for all threads and for as long as its copy takes.

use super::{is, page_size, true_or_last_error};
use std::io;
use windows_sys::Win32::Foundation::{ERROR_NOACCESS, ERROR_PARTIAL_COPY, ERROR_SWAPERROR};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// What the steps of one copy hand on: nothing.
#[derive(Debug)]
pub(crate) struct CopyState;

impl CopyState {
    pub(crate) const fn new() -> CopyState {
        CopyState
    }
}

/// Copies out of the mapping at `from`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `from` lie in one mapping that stays mapped for the length of the call.
pub(crate) unsafe fn checked_read(from: *const u8, buffer: &mut [u8], _: &mut CopyState) -> io::Result<usize> {
    reached(from.addr(), buffer.len(), |at, len| {
        let to = buffer.as_mut_ptr().wrapping_add(at);
        // SAFETY: the source lies in a mapping (caller); `at + len` is not above the length of the buffer, which is ours.
        unsafe { copy(from.wrapping_add(at), to, len) }
    })
}

/// Copies into the mapping at `to`, and says how many bytes it could reach.
///
/// # Safety
///
/// `buffer.len()` bytes at `to` lie in one mapping that stays mapped for the length of the call, and no reference to
/// them exists.
pub(crate) unsafe fn checked_write(to: *mut u8, buffer: &[u8], _: &mut CopyState) -> io::Result<usize> {
    reached(to.addr(), buffer.len(), |at, len| {
        let from = buffer.as_ptr().wrapping_add(at);
        // SAFETY: `at + len` is not above the length of the buffer; the destination lies in a mapping, and nobody has a
        // reference to it (caller).
        unsafe { copy(from, to.wrapping_add(at), len) }
    })
}

/// How many of `len` bytes `copy(offset, len)` could copy, from the first one on, where `address` is that of the first one
/// in the mapping. A copy that fails does not say reliably how far it came, so it is made again page by page: a page
/// can be reached as a whole or not at all.
fn reached(address: usize, len: usize, mut copy: impl FnMut(usize, usize) -> io::Result<bool>) -> io::Result<usize> {
    if copy(0, len)? {
        return Ok(len);
    }
    let page = page_size();
    let mut done = 0;
    while done < len {
        let to_end_of_page = page - (address + done) % page;
        let piece = to_end_of_page.min(len - done);
        if !copy(done, piece)? {
            break;
        }
        done += piece;
    }
    Ok(done)
}

/// `ReadProcessMemory`: whether all of the bytes could be copied.
///
/// # Safety
///
/// Each range is either memory that is valid for this access, or lies in a mapping that stays mapped meanwhile; nobody has
/// a reference to the bytes at `to`, and the ranges do not overlap.
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) -> io::Result<bool> {
    let mut count = 0;
    // SAFETY: the call has no obligations; what it returns stands for this process.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the kernel checks every page on both sides and writes to nothing but the destination (caller) and the count,
    // which is ours.
    let result = true_or_last_error(unsafe { ReadProcessMemory(process, from.cast(), to.cast(), len, &raw mut count) });
    match result {
        Ok(()) => Ok(count == len),
        // A page on one side that is not there or not allowed, or whose medium failed.
        Err(error) if [ERROR_PARTIAL_COPY, ERROR_NOACCESS, ERROR_SWAPERROR].iter().any(|&code| is(&error, code)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{map_anonymous, page_size, protect, unmap};
    use super::*;
    use crate::Protection;
    use crate::sys::{MapFlags, Source};
    use std::ptr::NonNull;
    use windows_sys::Win32::System::Memory::{PAGE_NOACCESS, VirtualProtect};

    const FLAGS: MapFlags = MapFlags::plain(Protection::ReadWrite, true);

    /// Two pages of which the second cannot be reached.
    fn half_lost(test: impl FnOnce(NonNull<u8>, usize)) {
        let page = page_size();
        let address = map_anonymous(2 * page, &FLAGS).unwrap();
        let mut before = 0;
        let second = address.as_ptr().wrapping_add(page);
        // SAFETY: the page is ours, and nobody else has its address.
        let result = unsafe { VirtualProtect(second.cast(), page, PAGE_NOACCESS, &raw mut before) };
        true_or_last_error(result).unwrap();
        test(address, page);
        // SAFETY: the mapping was made above, and the test is over.
        unsafe { unmap(address, 2 * page, Source::Memory) }.unwrap();
    }

    /// How far before the lost page a copy starts, and how long it is.
    fn edges() -> impl Iterator<Item = (usize, usize)> {
        [0, 1, 7, 100].into_iter().flat_map(|before| [before + 1, before + 8, 200].map(|len| (before, len)))
    }

    #[test]
    fn a_write_stops_exactly_at_a_page_that_cannot_be_reached() {
        half_lost(|address, page| {
            for (before, len) in edges() {
                let place = address.as_ptr().wrapping_add(page - before);
                // SAFETY: the range lies in the mapping, to which there are no references.
                let written = unsafe { checked_write(place, &vec![7; len], &mut CopyState::new()) }.unwrap();
                assert_eq!(written, before, "{len} bytes, {before} before the page");
                let mut copy = vec![0; before];
                // SAFETY: as in the call above.
                assert_eq!(unsafe { checked_read(place, &mut copy, &mut CopyState::new()) }.unwrap(), before);
                assert_eq!(copy, vec![7; before]);
            }
        });
    }

    #[test]
    fn a_read_stops_exactly_at_a_page_that_cannot_be_reached() {
        half_lost(|address, page| {
            for (before, len) in edges() {
                let place = address.as_ptr().wrapping_add(page - before);
                // SAFETY: the range lies in the mapping, to which there are no references.
                let read = unsafe { checked_read(place, &mut vec![0; len], &mut CopyState::new()) }.unwrap();
                assert_eq!(read, before, "{len} bytes, {before} before the page");
            }
        });
    }

    /// A copy that fails as a whole, whatever it says of its length, is as long as the pages that it can reach.
    #[test]
    fn a_failed_copy_is_made_again_page_by_page() {
        let page = page_size();
        for lost in [0, page, 2 * page] {
            for start in [0, 1, page - 1] {
                let len = 2 * page;
                let reach = |at: usize, len: usize| Ok(start + at + len <= lost);
                assert_eq!(reached(16 * page + start, len, reach).unwrap(), lost.saturating_sub(start).min(len));
            }
        }
        let failed = reached(16 * page, page, |_, _| Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn pages_that_are_read_only_are_not_written() {
        half_lost(|address, page| {
            // SAFETY: the page is ours, and nobody else has its address.
            unsafe { protect(address, page, Protection::Read) }.unwrap();
            // SAFETY: the range lies in the mapping, to which there are no references.
            assert_eq!(unsafe { checked_write(address.as_ptr(), &[1], &mut CopyState::new()) }.unwrap(), 0);
            let mut byte = [9];
            // SAFETY: as in the call above.
            assert_eq!(unsafe { checked_read(address.as_ptr(), &mut byte, &mut CopyState::new()) }.unwrap(), 1);
            assert_eq!(byte, [0]);
        });
    }
}
