//! Files where the standard library is all there is, WebAssembly with a system interface above all. Where there are no files
//! either, none can be opened, and nothing here is ever reached.

#![forbid(unsafe_code)]

use crate::Protection;
use crate::sys::{Allocated, FileInfo, FileKind};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A file that can be mapped: on this platform [`std::fs::File`] and references to it.
///
/// The trait is sealed.
pub trait AsFile: sealed::Sealed {}

mod sealed {
    use std::fs;

    pub trait Sealed {
        fn file(&self) -> &fs::File;
    }
    impl Sealed for fs::File {
        fn file(&self) -> &fs::File {
            self
        }
    }
    impl<T: Sealed + ?Sized> Sealed for &T {
        fn file(&self) -> &fs::File {
            (**self).file()
        }
    }
}

impl<T: sealed::Sealed + ?Sized> AsFile for T {}

pub(crate) type File = fs::File;
pub(crate) type FileRef<'a> = &'a fs::File;

pub(crate) fn file_ref<F: AsFile>(file: &F) -> FileRef<'_> {
    file.file()
}

pub(crate) fn file_of(file: fs::File) -> File {
    file
}

/// A second handle of the same open file. WASI has none (its `path_open` gives new ones only), so this says
/// [`Unsupported`](io::ErrorKind::Unsupported) there.
pub(crate) fn duplicate(file: FileRef<'_>) -> io::Result<File> {
    file.try_clone()
}

pub(crate) fn open(path: &Path, protection: Protection) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(protection.write_shared()).open(path)
}

/// What the standard library says of a file. How much of it has storage is not known: all of it, to be on the side of those
/// who look for holes in vain.
pub(super) fn inspect(file: FileRef<'_>) -> io::Result<FileInfo> {
    let metadata = file.metadata()?;
    let kind = match metadata.file_type() {
        kind if kind.is_file() => FileKind::Regular,
        kind if kind.is_dir() => FileKind::Directory,
        _ => FileKind::Other,
    };
    Ok(FileInfo { len: metadata.len(), allocated: metadata.len(), kind, page_size: super::page_size(), id: None })
}

/// Files have no numbers here. Two that agree in length and times, one of which was made a moment ago, are the same.
pub(crate) fn is_at(file: FileRef<'_>, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    let is = |metadata: &fs::Metadata| {
        (metadata.is_file(), metadata.len(), metadata.modified().ok(), metadata.created().ok())
    };
    is(&open) == is(&named)
}

/// Reads at an offset, and puts the position of the open file, which is the user's, back.
pub(super) fn read_at(file: FileRef<'_>, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    at(file, offset, |mut file| file.read(bytes))
}

/// Writes at an offset: how many of the bytes were written.
pub(crate) fn write_at(file: FileRef<'_>, bytes: &[u8], offset: u64) -> io::Result<usize> {
    at(file, offset, |mut file| file.write(bytes))
}

/// Runs `work` with the file's position at `offset`, again when it is interrupted.
fn at(mut file: FileRef<'_>, offset: u64, mut work: impl FnMut(FileRef<'_>) -> io::Result<usize>) -> io::Result<usize> {
    let position = file.stream_position()?;
    file.seek(SeekFrom::Start(offset))?;
    let done = loop {
        match work(file) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => break done,
        }
    };
    let put_back = file.seek(SeekFrom::Start(position));
    done.and_then(|count| put_back.map(|_| count))
}

pub(crate) fn set_len(file: FileRef<'_>, len: u64) -> io::Result<()> {
    file.set_len(len)
}

#[cfg(target_os = "wasi")]
pub(super) use super::wasi::check_access;

/// Whether the file is open for reading, and for writing if that is wanted: asked by moving no bytes.
#[cfg(not(target_os = "wasi"))]
pub(super) fn check_access(mut file: FileRef<'_>, write: bool) -> io::Result<()> {
    let denied = |error| io::Error::new(io::ErrorKind::PermissionDenied, error);
    file.read(&mut []).map_err(denied)?;
    if write {
        file.write(&[]).map_err(denied)?;
    }
    Ok(())
}

pub(super) fn sync_data(file: FileRef<'_>) -> io::Result<()> {
    file.sync_data()
}

pub(crate) fn sync_all(file: FileRef<'_>) -> io::Result<()> {
    file.sync_all()
}

/// There is no such call.
pub(crate) fn allocate(_file: FileRef<'_>, _offset: u64, _len: u64) -> io::Result<Allocated> {
    Ok(Allocated::NotSupported)
}

/// There is no such limit.
pub(crate) fn file_len_limit() -> u64 {
    u64::MAX
}

pub(crate) fn file_too_long() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}

/// There are no children to think of.
pub(crate) fn on_fork(_child: extern "C" fn()) -> io::Result<()> {
    Ok(())
}

/// Starts a thread that calls `work` and ends.
pub(crate) fn start_thread(work: fn()) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("folio-flush".into()).stack_size(64 * 1024);
    thread.spawn(work).map(drop)
}
