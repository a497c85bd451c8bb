//! Flushing: first the pages of the view, then the file.

use super::{FileRef, address_of, is, true_or_last_error};
use crate::sys::Started;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::NonNull;
use std::thread;
use std::time::Duration;
use windows_sys::Win32::Foundation::ERROR_LOCK_VIOLATION;
use windows_sys::Win32::Storage::FileSystem::FlushFileBuffers;
use windows_sys::Win32::System::Memory::FlushViewOfFile;

/// The metadata that finds the pages, and the cache of the drive, are flushed by the file's handle only
/// (`FlushViewOfFile`, remarks).
pub(crate) const KEEPS_FILE: bool = true;

/// `FlushViewOfFile`, then `FlushFileBuffers` of the file.
pub(crate) fn flush(address: NonNull<u8>, len: usize, file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    flush_view(address, len)?;
    match file {
        Some((file, _)) => sync_all(file),
        None => Ok(()),
    }
}

/// `FlushViewOfFile` hands the pages to the drive and does not wait until it has written what its cache holds.
pub(crate) fn start_flush(address: NonNull<u8>, len: usize, _file: Option<(FileRef<'_>, u64)>) -> io::Result<Started> {
    flush_view(address, len)?;
    Ok(Started::Yes)
}

/// `FlushFileBuffers`. The handle must be open for writing, as that of a mapping that writes to its file is.
pub(crate) fn sync_all(file: FileRef<'_>) -> io::Result<()> {
    // SAFETY: the handle is open as long as it is borrowed; the call touches no memory of the process.
    true_or_last_error(unsafe { FlushFileBuffers(file.as_raw_handle()) })
}

/// `FlushViewOfFile`, again for half a second while the pages are being written by somebody else: the call does not wait
/// for that writer but gives up with a lock violation.
fn flush_view(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the range is whole pages of one view (contract), and not empty: a length of 0 would mean all the rest. The
    // call changes no byte of memory.
    again_while_locked(|| true_or_last_error(unsafe { FlushViewOfFile(address_of(address), len) }), thread::sleep)
}

/// What `flush` answers at last: nine more times it may meet a lock violation, with a longer `pause` each time.
fn again_while_locked(mut flush: impl FnMut() -> io::Result<()>, mut pause: impl FnMut(Duration)) -> io::Result<()> {
    let mut pauses = (0..9).map(|power| Duration::from_millis(1 << power));
    loop {
        match (flush(), pauses.next()) {
            (Err(error), Some(length)) if is(&error, ERROR_LOCK_VIOLATION) => pause(length),
            (result, _) => return result,
        }
    }
}

/// [`start_flush`] does not use the file.
pub(crate) fn starts_through(_file: FileRef<'_>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use windows_sys::Win32::Foundation::ERROR_ACCESS_DENIED;

    /// The answers of a system that is asked again and again, and what came of them, with the pauses in milliseconds.
    fn meet(mut answers: impl Iterator<Item = Option<u32>>) -> (io::Result<()>, Vec<u128>) {
        let pauses = RefCell::new(Vec::new());
        let flush = || match answers.next().expect("it is not asked so often") {
            Some(code) => Err(io::Error::from_raw_os_error(code.cast_signed())),
            None => Ok(()),
        };
        let result = again_while_locked(flush, |pause| pauses.borrow_mut().push(pause.as_millis()));
        (result, pauses.into_inner())
    }

    /// A writer that holds the pages for a moment made a flush fail.
    #[test]
    fn a_flush_waits_for_a_writer_and_not_for_ever() {
        let locked = Some(ERROR_LOCK_VIOLATION);
        let (result, pauses) = meet([locked, locked, locked, None].into_iter());
        result.unwrap();
        assert_eq!(pauses, [1, 2, 4]);

        let (result, pauses) = meet([locked; 10].into_iter());
        assert!(is(&result.unwrap_err(), ERROR_LOCK_VIOLATION));
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
    }

    #[test]
    fn another_error_of_a_flush_is_one_at_once() {
        let (result, pauses) = meet([Some(ERROR_LOCK_VIOLATION), Some(ERROR_ACCESS_DENIED)].into_iter());
        assert!(is(&result.unwrap_err(), ERROR_ACCESS_DENIED));
        assert_eq!(pauses, [1]);
    }
}
