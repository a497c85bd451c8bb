//! Files of Windows: those of its own backend, and what takes no maps to read them.

#![forbid(unsafe_code)]

use crate::Protection;
use crate::sys::{MapFlags, windows};
use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::os::windows::fs::FileExt;

pub use windows::AsFile;
pub(crate) use windows::{
    File, FileRef, allocate, duplicate, file_len_limit, file_of, file_ref, file_too_long, inspect, is_at, on_fork,
    open, set_len, start_thread, sync_all, write_at,
};

/// `ReadFile` at an offset. The call moves the position of the open file, which is the user's, so it is put back.
pub(super) fn read_at(file: FileRef<'_>, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut file = fs::File::from(duplicate(file)?);
    let position = file.stream_position()?;
    let read = file.seek_read(bytes, offset);
    let put_back = file.seek(SeekFrom::Start(position));
    read.and_then(|count| put_back.map(|_| count))
}

/// `FlushFileBuffers`.
pub(super) fn sync_data(file: FileRef<'_>) -> io::Result<()> {
    sync_all(file)
}

/// Whether the file is open for reading, and for writing if that is wanted. The system answers that when it is asked for a
/// section, of which nothing is mapped here.
pub(super) fn check_access(file: FileRef<'_>, write: bool) -> io::Result<()> {
    let protection = if write { Protection::ReadWrite } else { Protection::Read };
    windows::probe_mappable(file, windows::page_size(), &MapFlags::plain(protection, false))
}
