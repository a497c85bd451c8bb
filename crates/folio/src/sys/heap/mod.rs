//! Mappings that are none: copies of files in ordinary memory.
//!
//! For targets whose system maps no files (WebAssembly), and, by `--cfg folio_heap`, anywhere: everything above this layer can
//! then be looked at by tools that know nothing of maps. Mapping reads a file in, flushing writes back what has changed,
//! and so does the end of a mapping. What shapes this backend:
//!
//! - **Only changes are written.** The bytes around them may be out of date: another mapping of the file may have written
//!   them since they were read. So a map that can be written remembers what it knows of the file ([`maps`]), and a flush
//!   compares.
//! - **Only a view's own bytes are touched** on its behalf ([`COPIES`]). Its neighbours in the page may be somebody's
//!   `&mut [u8]`, and here, unlike a kernel, whoever reads them races with that somebody.
//! - **A flush is done when its call returns**, the one that is to be started only as well: a thread that reads the bytes
//!   later would race with the owner of the view in the same way.
//! - **Bytes are accessed as atomics**, one by one ([`bytes`]): Rust knows no other access that may race, and it allows no
//!   races between atomics of different sizes.
//! - **No page is ever lost.** That the file was cut short shows when something is to be written behind its new end.

mod bytes;
mod flush;
mod maps;
#[cfg(all(test, folio_shuttle))]
pub(crate) mod trouble;

// Files are the system's where there are some.
#[cfg(not(any(unix, windows)))]
#[path = "bare.rs"]
mod files;
#[cfg(unix)]
#[path = "fd.rs"]
mod files;
#[cfg(windows)]
#[path = "handle.rs"]
mod files;
#[cfg(target_os = "wasi")]
mod wasi;

pub(crate) use super::unsupported::{forbid, huge_page_size, paging, proof_of_immutability, remap};
pub(crate) use bytes::{copy_in, copy_out};
pub use files::AsFile;
pub(crate) use files::{
    File, FileRef, allocate, duplicate, file_len_limit, file_of, file_ref, file_too_long, is_at, on_fork, open,
    set_len, start_thread, sync_all, write_at,
};
pub(crate) use flush::{COPIES, KEEPS_FILE, flush, start_flush, starts_through, write_back};

use super::{FileInfo, MapFlags, Source};
use crate::Protection;
use crate::error::invalid_input;
use maps::Map;
use std::io;
use std::ptr::NonNull;

/// Where mappings begin: a multiple of this, as they would among the pages of most systems.
const PAGE: usize = 4096;

pub(crate) fn page_size() -> usize {
    PAGE
}

/// Files can be read from any offset, but a view's address is the same in a page as its offset, as it is everywhere.
pub(crate) fn granularity() -> usize {
    PAGE
}

/// What the system says of a file, whose pages do not matter here.
pub(crate) fn inspect(file: FileRef<'_>) -> io::Result<FileInfo> {
    Ok(FileInfo { page_size: PAGE, ..files::inspect(file)? })
}

/// Reads a file in. Behind its end there are zeros.
pub(crate) fn map_file(file: FileRef<'_>, offset: u64, len: usize, flags: &MapFlags) -> io::Result<NonNull<u8>> {
    check_access(file, flags)?;
    let mut map = Map::new(len)?;
    let in_file = honest_len(file)?.saturating_sub(offset);
    let there = usize::try_from(in_file).map_or(len, |in_file| in_file.min(len));
    read_exact_at(file, &mut map.as_mut_slice()[..there], offset)?;
    if !is_private(flags) {
        map.show_file(files::check_access(file, true).is_ok());
        if flags.protection.write() {
            map.begin_writing()?;
        }
    }
    Ok(maps::add(map))
}

/// Zeros.
pub(crate) fn map_anonymous(len: usize, flags: &MapFlags) -> io::Result<NonNull<u8>> {
    check_protection(flags.protection)?;
    if !flags.private {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "children get a copy of ordinary memory: it cannot be shared with them",
        ));
    }
    Ok(maps::add(Map::new(len)?))
}

/// Whether the file could be mapped if it had bytes.
pub(crate) fn probe_mappable(file: FileRef<'_>, _page_size: usize, flags: &MapFlags) -> io::Result<()> {
    check_access(file, flags)?;
    honest_len(file).map(drop)
}

/// The length of a file in bytes. One that claims to have none and has some is refused: files of `/proc` are so, and no
/// system maps them.
fn honest_len(file: FileRef<'_>) -> io::Result<u64> {
    match inspect(file)?.len {
        0 if files::read_at(file, &mut [0], 0)? > 0 => Err(not_as_long()),
        len => Ok(len),
    }
}

/// Gives the memory back. What was written and not flushed is gone: [`write_back`] comes before this.
///
/// # Safety
///
/// `address` is a whole mapping made by this module, and nothing uses its memory any more.
pub(crate) unsafe fn unmap(address: NonNull<u8>, _len: usize, _source: Source) -> io::Result<()> {
    #[cfg(all(test, folio_shuttle))]
    trouble::unmapping();
    maps::remove(address)
}

/// Memory can be written whatever is said here, so this is about what it means to write: from now on it is for the file. That
/// nobody writes what is read-only is seen to by checked access, and by the types of the views.
///
/// # Safety
///
/// The range is a whole mapping made by this module, and nobody uses its bytes meanwhile.
pub(crate) unsafe fn protect(address: NonNull<u8>, _len: usize, protection: Protection) -> io::Result<()> {
    check_protection(protection)?;
    if protection.write_shared() { maps::find(address)?.begin_writing() } else { Ok(()) }
}

/// Whether what is written stays in memory.
fn is_private(flags: &MapFlags) -> bool {
    flags.private || flags.protection == Protection::ReadCopy
}

/// Refuses a file that is not open for what the mapping needs.
fn check_access(file: FileRef<'_>, flags: &MapFlags) -> io::Result<()> {
    check_protection(flags.protection)?;
    files::check_access(file, flags.protection.write() && !is_private(flags))
}

/// Refuses what ordinary memory is not.
fn check_protection(protection: Protection) -> io::Result<()> {
    if protection == Protection::ReadExecute {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "ordinary memory cannot be executed"));
    }
    Ok(())
}

/// Fills `bytes` from the file, which has said that it is that long.
fn read_exact_at(file: FileRef<'_>, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match files::read_at(file, &mut bytes[done..], offset + done as u64)? {
            0 => return Err(not_as_long()),
            count => done += count,
        }
    }
    Ok(())
}

fn not_as_long() -> io::Error {
    invalid_input("the file is not as long as it says: its file system cannot map it, or it is being cut short")
}
