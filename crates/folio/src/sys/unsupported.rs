//! Platforms without a backend: everything compiles, and every mapping is refused with [`io::ErrorKind::Unsupported`].
//!
//! No mapping can be made here, so the functions that work on one are never reached; they answer the same error.

pub(crate) use super::no_paging as paging;

use super::{Allocated, FileInfo, FileKind, MapFlags, Proof, Source, Started, unsupported};
use crate::Protection;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

/// A file that can be mapped. On this platform nothing can; the bound is here so that programs compile.
///
/// The trait is sealed: it is implemented for [`std::fs::File`] and references to it.
pub trait AsFile: sealed::Sealed {}

mod sealed {
    pub trait Sealed {
        fn file(&self) -> &std::fs::File;
    }
    impl Sealed for std::fs::File {
        fn file(&self) -> &std::fs::File {
            self
        }
    }
    impl<T: Sealed + ?Sized> Sealed for &T {
        fn file(&self) -> &std::fs::File {
            (**self).file()
        }
    }
}

impl<T: sealed::Sealed + ?Sized> AsFile for T {}

pub(crate) type File = std::fs::File;
pub(crate) type FileRef<'a> = &'a std::fs::File;

pub(crate) const KEEPS_FILE: bool = false;

pub(crate) fn file_ref<F: AsFile>(file: &F) -> FileRef<'_> {
    file.file()
}

pub(crate) fn file_of(file: std::fs::File) -> File {
    file
}

pub(crate) fn duplicate(file: FileRef<'_>) -> io::Result<File> {
    file.try_clone()
}

pub(crate) fn open(_path: &Path, _protection: Protection) -> io::Result<std::fs::File> {
    Err(unsupported())
}

/// There are no pages; this is a size that every rounding can live with.
pub(crate) fn page_size() -> usize {
    4096
}

pub(crate) fn granularity() -> usize {
    page_size()
}

pub(crate) fn huge_page_size(_bits: Option<u8>) -> io::Result<usize> {
    Err(unsupported())
}

pub(crate) fn inspect(file: FileRef<'_>) -> io::Result<FileInfo> {
    let metadata = file.metadata()?;
    let kind = match metadata.file_type() {
        kind if kind.is_file() => FileKind::Regular,
        kind if kind.is_dir() => FileKind::Directory,
        _ => FileKind::Other,
    };
    Ok(FileInfo { len: metadata.len(), allocated: metadata.len(), kind, page_size: page_size(), id: None })
}

/// Nothing is ever created here.
pub(crate) fn is_at(_file: FileRef<'_>, _path: &std::path::Path) -> bool {
    false
}

pub(crate) fn write_at(_file: FileRef<'_>, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
    Err(unsupported())
}

pub(crate) fn file_len_limit() -> u64 {
    u64::MAX
}

pub(crate) fn file_too_long() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}

pub(crate) fn set_len(file: FileRef<'_>, len: u64) -> io::Result<()> {
    file.set_len(len)
}

pub(crate) fn map_file(_file: FileRef<'_>, _offset: u64, _len: usize, _flags: &MapFlags) -> io::Result<NonNull<u8>> {
    Err(unsupported())
}

pub(crate) fn map_anonymous(_len: usize, _flags: &MapFlags) -> io::Result<NonNull<u8>> {
    Err(unsupported())
}

pub(crate) fn probe_mappable(_file: FileRef<'_>, _page_size: usize, _flags: &MapFlags) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) unsafe fn unmap(_address: NonNull<u8>, _len: usize, _source: Source) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) unsafe fn protect(_address: NonNull<u8>, _len: usize, _protection: Protection) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) unsafe fn remap(
    _address: NonNull<u8>,
    _old_len: usize,
    _new_len: usize,
    _may_move: bool,
) -> io::Result<NonNull<u8>> {
    Err(unsupported())
}

pub(crate) unsafe fn forbid(_address: NonNull<u8>, _len: usize) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) fn flush(_address: NonNull<u8>, _len: usize, _file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) fn start_flush(
    _address: NonNull<u8>,
    _len: usize,
    _file: Option<(FileRef<'_>, u64)>,
) -> io::Result<Started> {
    Err(unsupported())
}

pub(crate) fn starts_through(_file: FileRef<'_>) -> bool {
    false
}

/// There are no children to think of.
pub(crate) fn on_fork(_child: extern "C" fn()) -> io::Result<()> {
    Ok(())
}

/// There are no signals.
pub(crate) fn without_signals<R>(work: impl FnOnce() -> R) -> R {
    work()
}

pub(crate) fn sync_all(file: FileRef<'_>) -> io::Result<()> {
    file.sync_all()
}

pub(crate) fn allocate(_file: FileRef<'_>, _offset: u64, _len: u64) -> io::Result<Allocated> {
    Err(unsupported())
}

pub(crate) fn proof_of_immutability(_file: FileRef<'_>) -> io::Result<Proof> {
    Ok(Proof::Unknown)
}

pub(crate) unsafe fn checked_read(_from: *const u8, _buffer: &mut [u8]) -> io::Result<usize> {
    Err(unsupported())
}

pub(crate) unsafe fn checked_write(_to: *mut u8, _buffer: &[u8]) -> io::Result<usize> {
    Err(unsupported())
}
