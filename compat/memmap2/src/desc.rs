//! Files, as memmap2 takes them: by a raw descriptor or handle.

#[cfg(not(any(unix, windows)))]
use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawHandle, BorrowedHandle, RawHandle};

/// A raw descriptor (Unix), a handle (Windows) or a file (elsewhere), on its way to a mapping call.
#[cfg(unix)]
#[derive(Debug)]
pub struct MmapRawDescriptor(RawFd);

/// A raw descriptor (Unix), a handle (Windows) or a file (elsewhere), on its way to a mapping call.
#[cfg(windows)]
#[derive(Debug)]
pub struct MmapRawDescriptor(RawHandle);

/// A raw descriptor (Unix), a handle (Windows) or a file (elsewhere), on its way to a mapping call.
#[cfg(not(any(unix, windows)))]
#[derive(Debug)]
pub struct MmapRawDescriptor<'a>(&'a File);

/// What can be mapped: a reference to anything with a raw descriptor (Unix) or handle (Windows), or the number itself.
///
/// A number is taken at its word, also by the safe calls that map ([`MmapRaw::map_raw`](crate::MmapRaw::map_raw),
/// [`Mmap::map_if_safe`](crate::Mmap::map_if_safe)): it must be open until they return. folio's own bound lends the file
/// instead, and needs no such word.
pub trait MmapAsRawDesc {
    /// The descriptor or handle. It stays the implementor's.
    #[cfg_attr(not(any(unix, windows)), allow(mismatched_lifetime_syntaxes, reason = "memmap2's signature"))]
    fn as_raw_desc(&self) -> MmapRawDescriptor;
}

#[cfg(unix)]
impl MmapAsRawDesc for RawFd {
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(*self)
    }
}

#[cfg(unix)]
impl<T> MmapAsRawDesc for &T
where
    T: AsRawFd,
{
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(self.as_raw_fd())
    }
}

#[cfg(windows)]
impl MmapAsRawDesc for RawHandle {
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(*self)
    }
}

#[cfg(windows)]
impl<T> MmapAsRawDesc for &T
where
    T: AsRawHandle,
{
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(self.as_raw_handle())
    }
}

#[cfg(not(any(unix, windows)))]
impl MmapAsRawDesc for &File {
    #[allow(mismatched_lifetime_syntaxes, reason = "memmap2's signature")]
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(self)
    }
}

/// A file lent for the length of a call.
#[cfg(unix)]
pub(crate) type FileRef<'a> = BorrowedFd<'a>;
/// A file lent for the length of a call.
#[cfg(windows)]
pub(crate) type FileRef<'a> = BorrowedHandle<'a>;
/// A file lent for the length of a call.
#[cfg(not(any(unix, windows)))]
pub(crate) type FileRef<'a> = &'a File;

/// Runs `work` on the file behind a descriptor.
pub(crate) fn with_file<T: MmapAsRawDesc, R>(
    file: &T,
    work: impl FnOnce(FileRef<'_>) -> io::Result<R>,
) -> io::Result<R> {
    let MmapRawDescriptor(raw) = file.as_raw_desc();
    #[cfg(unix)]
    {
        if raw < 0 {
            // What the system says of such numbers; one of them is none that can be lent.
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        // SAFETY: not -1 (above). That it stays open until `work` returns is what its owner, lent to this call, stands for;
        // for a bare number it is the word of whoever calls a mapping function with it.
        work(unsafe { BorrowedFd::borrow_raw(raw) })
    }
    #[cfg(windows)]
    {
        // SAFETY: that it stays open until `work` returns is what its owner, lent to this call, stands for; for a bare handle
        // it is the word of whoever calls a mapping function with it.
        work(unsafe { BorrowedHandle::borrow_raw(raw) })
    }
    #[cfg(not(any(unix, windows)))]
    work(raw)
}

/// The length of a file in bytes.
pub(crate) fn file_len(file: FileRef<'_>) -> io::Result<u64> {
    // A descriptor of our own for a moment would be closed again, and with it the locks of the process on the file
    // (fcntl(2)); so a `File` is lent the caller's.
    #[cfg(unix)]
    {
        use std::os::fd::FromRawFd;
        // SAFETY: the descriptor is open as long as it is lent, and the file that is made of it is never dropped.
        let file = std::mem::ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(file.as_raw_fd()) });
        Ok(file.metadata()?.len())
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::FromRawHandle;
        // SAFETY: the handle is open as long as it is lent, and the file that is made of it is never dropped.
        let file = std::mem::ManuallyDrop::new(unsafe { std::fs::File::from_raw_handle(file.as_raw_handle()) });
        Ok(file.metadata()?.len())
    }
    #[cfg(not(any(unix, windows)))]
    Ok(file.metadata()?.len())
}
