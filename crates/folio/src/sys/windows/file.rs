//! Files: handles, what the system says of them, their lengths.

use super::map::Section;
use super::{AsFile, File, FileRef, is, page_size, true_or_last_error};
use crate::Protection;
use crate::sys::{Allocated, FileId, FileInfo, FileKind, Proof};
use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::path::Path;
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_FUNCTION, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, GENERIC_EXECUTE, GENERIC_READ,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_COMPRESSED, FILE_ATTRIBUTE_SPARSE_FILE, FILE_BASIC_INFO,
    FILE_INFO_BY_HANDLE_CLASS, FILE_STANDARD_INFO, FILE_TYPE_DISK, FILE_TYPE_UNKNOWN, FileBasicInfo, FileStandardInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetFileType,
};
use windows_sys::Win32::System::Memory::PAGE_READWRITE;

/// Borrows the handle of a file given by a user.
pub(crate) fn file_ref<F: AsFile>(file: &F) -> FileRef<'_> {
    file.as_handle()
}

/// Takes over a file of the standard library.
pub(crate) fn file_of(file: fs::File) -> File {
    OwnedHandle::from(file)
}

/// `DuplicateHandle`: a second handle of the same open file, with the same access, not inherited by child processes.
pub(crate) fn duplicate(file: FileRef<'_>) -> io::Result<File> {
    file.try_clone_to_owned()
}

/// Opens an existing file for a mapping of this protection, in the standard library's way: others may read, write,
/// rename and delete it meanwhile. To execute what is mapped, a file must be open for that too (`CreateFileMapping`).
pub(crate) fn open(path: &Path, protection: Protection) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(protection.write_shared());
    if protection == Protection::ReadExecute {
        options.access_mode(GENERIC_READ | GENERIC_EXECUTE);
    }
    options.open(path).map_err(|error| {
        // A directory does not open without a flag that also sets access rights aside for some programs, so it is
        // recognised afterwards.
        if error.kind() == io::ErrorKind::PermissionDenied && path.is_dir() {
            io::Error::new(io::ErrorKind::IsADirectory, error)
        } else {
            error
        }
    })
}

/// What the handle is of, by `GetFileType` and `FileStandardInfo`, and which file, by [`identity`].
pub(crate) fn inspect(file: FileRef<'_>) -> io::Result<FileInfo> {
    let other = FileInfo { len: 0, allocated: 0, kind: FileKind::Other, page_size: page_size(), id: None };
    match file_type(file) {
        Ok(FILE_TYPE_DISK) => {}
        // Consoles, pipes, sockets, `NUL`.
        Ok(_) => return Ok(other),
        // A handle, but of no file: a process, a thread.
        Err(error) if is(&error, ERROR_INVALID_HANDLE) => return Ok(other),
        Err(error) => return Err(error),
    }
    let info = match standard_info(file) {
        Ok(info) => info,
        // A whole disk or volume.
        Err(error) if is(&error, ERROR_INVALID_PARAMETER) || is(&error, ERROR_INVALID_FUNCTION) => return Ok(other),
        Err(error) => return Err(error),
    };
    Ok(FileInfo {
        len: unsigned(info.EndOfFile),
        allocated: unsigned(info.AllocationSize),
        kind: if info.Directory { FileKind::Directory } else { FileKind::Regular },
        page_size: page_size(),
        id: identity(file),
    })
}

/// The length of a file in bytes.
pub(super) fn len_of(file: FileRef<'_>) -> io::Result<u64> {
    Ok(unsigned(standard_info(file)?.EndOfFile))
}

/// A length, which is never negative, from the signed number that the system gives it as.
fn unsigned(len: i64) -> u64 {
    u64::try_from(len).unwrap_or(0)
}

/// `GetFileType`. The type that stands for "unknown" is also what a failure looks like.
fn file_type(file: FileRef<'_>) -> io::Result<u32> {
    // SAFETY: the handle is open as long as it is borrowed; the call takes no pointer.
    let kind = unsafe { GetFileType(file.as_raw_handle()) };
    if kind != FILE_TYPE_UNKNOWN {
        return Ok(kind);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(0) { Ok(kind) } else { Err(error) }
}

fn standard_info(file: FileRef<'_>) -> io::Result<FILE_STANDARD_INFO> {
    let mut info = FILE_STANDARD_INFO::default();
    // SAFETY: this class fills a structure of this type, whose default is valid whatever part of it is filled.
    unsafe { query(file, FileStandardInfo, &mut info) }?;
    Ok(info)
}

fn basic_info(file: FileRef<'_>) -> io::Result<FILE_BASIC_INFO> {
    let mut info = FILE_BASIC_INFO::default();
    // SAFETY: this class fills a structure of this type, whose default is valid whatever part of it is filled.
    unsafe { query(file, FileBasicInfo, &mut info) }?;
    Ok(info)
}

/// `GetFileInformationByHandleEx`.
///
/// # Safety
///
/// `T` is the structure that the class fills.
unsafe fn query<T>(file: FileRef<'_>, class: FILE_INFO_BY_HANDLE_CLASS, info: &mut T) -> io::Result<()> {
    let size = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the handle is open as long as it is borrowed; the buffer is ours, of the size given and of the type that the
    // class fills (caller).
    true_or_last_error(unsafe {
        GetFileInformationByHandleEx(file.as_raw_handle(), class, (&raw mut *info).cast(), size)
    })
}

/// The file as the standard library has it, by a duplicate of its handle.
fn std_file(file: FileRef<'_>) -> io::Result<fs::File> {
    Ok(fs::File::from(duplicate(file)?))
}

/// `WriteFile` at an offset: how many of the bytes were written. The call moves the position of the open file, which is
/// the user's, so it is put back.
pub(crate) fn write_at(file: FileRef<'_>, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let mut file = std_file(file)?;
    let position = file.stream_position()?;
    let written = file.seek_write(bytes, offset);
    let put_back = file.seek(SeekFrom::Start(position));
    written.and_then(|count| put_back.map(|_| count))
}

/// `SetFileInformationByHandle(FileEndOfFileInfo)`.
pub(crate) fn set_len(file: FileRef<'_>, len: u64) -> io::Result<()> {
    std_file(file)?.set_len(len)
}

/// Makes the file reach to the end of the range by a section of that length, which only ever lengthens a file, whatever
/// other processes do to it meanwhile; `FileAllocationInfo` and `FileEndOfFileInfo` cut a file that somebody else has just
/// lengthened. The file system takes the clusters for the new length at once, or says that the disk is full.
///
/// Inside of its length a file has all its clusters, unless it is sparse or compressed.
pub(crate) fn allocate(file: FileRef<'_>, offset: u64, len: u64) -> io::Result<Allocated> {
    if basic_info(file)?.FileAttributes & (FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED) != 0 {
        return Ok(Allocated::NotSupported);
    }
    let end = offset.saturating_add(len);
    if end > len_of(file)? {
        Section::new(file, PAGE_READWRITE, end)?;
    }
    Ok(Allocated::Done)
}

/// There is no such proof here: that nobody has a file open for writing ends when the handle that forbids it is closed, and
/// says nothing of those who have it mapped.
pub(crate) fn proof_of_immutability(_file: FileRef<'_>) -> io::Result<Proof> {
    Ok(Proof::Unknown)
}

/// Whether the file of this name is the one that is open: the numbers of volume and file of both, by
/// `GetFileInformationByHandle`.
pub(crate) fn is_at(file: FileRef<'_>, path: &Path) -> bool {
    let Ok(named) = fs::File::open(path) else {
        return false;
    };
    numbers(file).is_some_and(|open| numbers(named.as_handle()) == Some(open))
}

/// The numbers by which the system knows a file while it is open, if it has one for it. A file system of user space or of a network may
/// have none, and says 0; where they are longer, as those of ReFS, and do not fit, all bits are set (MS-FSCC, 2.1.9).
fn identity(file: FileRef<'_>) -> Option<FileId> {
    numbers(file).filter(|&FileId(_, index)| index != 0 && index != u64::MAX)
}

/// What the system says of a file, whatever handle it is open by: the numbers of the volume and of the file in it
/// (`BY_HANDLE_FILE_INFORMATION`).
fn numbers(file: FileRef<'_>) -> Option<FileId> {
    let mut info = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open as long as it is borrowed; the structure is the one that the call fills.
    let result = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut info) };
    true_or_last_error(result).ok()?;
    let index = u64::from(info.nFileIndexHigh) << 32 | u64::from(info.nFileIndexLow);
    Some(FileId(u64::from(info.dwVolumeSerialNumber), index))
}

/// The system has no such limit for a process.
pub(crate) fn file_len_limit() -> u64 {
    u64::MAX
}

/// The error for a file that would become longer than that.
pub(crate) fn file_too_long() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MmapViewSync;
    use crate::flushes::Flushes;
    use std::io::Read;
    use windows_sys::Win32::Foundation::ERROR_WRITE_FAULT;

    /// The position of an open file is its user's, who may be in the middle of reading.
    #[test]
    fn writing_at_an_offset_leaves_the_position_of_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(write_at(file_ref(&file), b"0123456789", 0).unwrap(), 10);
        file.seek(SeekFrom::Start(3)).unwrap();
        assert_eq!(write_at(file_ref(&file), b"ab", 8).unwrap(), 2);
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "34567ab");
    }

    #[test]
    fn allocating_what_is_there_changes_nothing() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(allocate(file_ref(&file), 10, 90).unwrap(), Allocated::Done);
        assert_eq!(len_of(file_ref(&file)).unwrap(), 100);
        assert_eq!(allocate(file_ref(&file), 0, 50).unwrap(), Allocated::Done);
        assert_eq!(len_of(file_ref(&file)).unwrap(), 100);
    }

    /// The failure of a flush is told once, so it has to be known to all mappings of the file, by whichever handle they were made;
    /// and another file's flushes know nothing of it.
    #[test]
    fn mappings_of_one_file_share_the_failure_of_a_flush() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let file =
                fs::File::options().read(true).write(true).create(true).truncate(false).open(dir.path().join(name));
            let file = file.unwrap();
            file.set_len(4096).unwrap();
            file
        };
        let map = |file: &fs::File| MmapViewSync::open(file, Protection::ReadWrite).unwrap();
        let (file, again, other) = (open("one"), open("one"), open("two"));
        let id = |file: &fs::File| inspect(file_ref(file)).unwrap().id.unwrap();
        assert_eq!(id(&file), id(&again));
        assert_ne!(id(&file), id(&other));

        let (view, second, apart) = (map(&file), map(&again), map(&other));
        let failed = io::Error::from_raw_os_error(ERROR_WRITE_FAULT.cast_signed());
        Flushes::of_file(id(&file)).unwrap().remember::<()>(Err(failed)).unwrap_err();
        for view in [&view, &second] {
            assert!(is(&view.flush().unwrap_err(), ERROR_WRITE_FAULT));
        }
        apart.flush().unwrap();
        // A mapping that is made afterwards starts anew.
        map(&again).flush().unwrap();
        assert!(is(&view.flush().unwrap_err(), ERROR_WRITE_FAULT));
    }
}
