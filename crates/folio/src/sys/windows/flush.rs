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
    let mut pauses = (0..9).map(|power| Duration::from_millis(1 << power));
    loop {
        // SAFETY: the range is whole pages of one view (contract), and not empty: a length of 0 would mean all the rest. The
        // call changes no byte of memory.
        let result = true_or_last_error(unsafe { FlushViewOfFile(address_of(address), len) });
        match (result, pauses.next()) {
            (Err(error), Some(pause)) if is(&error, ERROR_LOCK_VIOLATION) => thread::sleep(pause),
            (result, _) => return result,
        }
    }
}

/// [`start_flush`] does not use the file.
pub(crate) fn starts_through(_file: FileRef<'_>) -> bool {
    false
}
