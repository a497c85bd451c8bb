//! `Mmap`: a map that has not been taken apart.

use crate::{MmapView, MmapViewSync, Protection};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// How to map memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MmapOptions {
    /// Whether the memory is for a thread's stack (`MAP_STACK`).
    pub stack: bool,
}

/// A memory map of a file or of memory.
///
/// folio's `MmapViewSync` is this and the views in one, with safe access.
///
/// # Errors of all calls that map a file
///
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the length is 0, the file's or the given one; if it is above `isize::MAX`; or
///   if the file is nothing that can be mapped. [`IsADirectory`](io::ErrorKind::IsADirectory) for a directory.
/// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file is not open for reading, or for
///   [`ReadWrite`](Protection::ReadWrite) not for writing.
/// - The system's.
///
/// # Examples
///
/// ```
/// use memmap::{Mmap, Protection};
///
/// let mut map = Mmap::anonymous(4096, Protection::ReadWrite)?;
/// // SAFETY: nobody else touches the memory.
/// unsafe { map.as_mut_slice()[..3].copy_from_slice(b"foo") };
/// // SAFETY: as for the call above.
/// assert_eq!(unsafe { &map.as_slice()[..5] }, b"foo\0\0");
/// # std::io::Result::Ok(())
/// ```
pub struct Mmap {
    view: folio::MmapViewSync,
    /// The protection under which the bytes can be written; it says where changes go, which is decided for good.
    writable: folio::Protection,
    /// Whether changes go to a file.
    writes_file: bool,
}

impl Mmap {
    /// Maps an entire file.
    ///
    /// # Errors
    ///
    /// See [`Mmap`].
    pub fn open(file: &File, prot: Protection) -> io::Result<Mmap> {
        if file.metadata()?.len() == 0 {
            return Err(empty());
        }
        Mmap::map(folio::MmapOptions::new(), file, prot)
    }

    /// Opens a file and maps all of it. For [`ReadCopy`](Protection::ReadCopy) it is opened for reading, which suffices; memmap opens it for
    /// writing too.
    ///
    /// # Errors
    ///
    /// Those of opening the file, and see [`Mmap`].
    pub fn open_path<P>(path: P, prot: Protection) -> io::Result<Mmap>
    where
        P: AsRef<Path>,
    {
        let file = OpenOptions::new().read(true).write(prot == Protection::ReadWrite).open(path)?;
        Mmap::open(&file, prot)
    }

    /// Maps the bytes `offset .. offset + len` of a file. They may lie past its end, where they cannot be touched until the file
    /// has grown over them; and the file may be a device.
    ///
    /// # Errors
    ///
    /// See [`Mmap`].
    pub fn open_with_offset(file: &File, prot: Protection, offset: usize, len: usize) -> io::Result<Mmap> {
        let mut options = folio::MmapOptions::new();
        options.offset(offset as u64).len(len).allow_past_end();
        // SAFETY: this crate touches no byte by itself; who gets at those of the device does so by `unsafe` calls.
        unsafe { options.allow_device() };
        Mmap::map(options, file, prot)
    }

    fn map(options: folio::MmapOptions, file: &File, prot: Protection) -> io::Result<Mmap> {
        let view = options.map_view(file, prot.folio())?;
        if view.is_empty() {
            return Err(empty());
        }
        let private = prot == Protection::ReadCopy;
        let writable = if private { folio::Protection::ReadCopy } else { folio::Protection::ReadWrite };
        Ok(Mmap { view, writable, writes_file: !private })
    }

    /// Maps `len` bytes of zeros that belong to no file. Children made by `fork` share them, unless they are
    /// [`ReadCopy`](Protection::ReadCopy).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the length is 0 or above `isize::MAX`, and the system's.
    pub fn anonymous(len: usize, prot: Protection) -> io::Result<Mmap> {
        Mmap::anonymous_with_options(len, prot, MmapOptions::default())
    }

    /// [`anonymous`](Self::anonymous) with options.
    ///
    /// # Errors
    ///
    /// As [`anonymous`](Self::anonymous).
    pub fn anonymous_with_options(len: usize, prot: Protection, options: MmapOptions) -> io::Result<Mmap> {
        let mut how = folio::MmapOptions::new();
        how.len(len);
        if options.stack {
            how.stack();
        }
        if len == 0 {
            return Err(empty());
        }
        // Windows has no children to share memory with.
        let private = prot == Protection::ReadCopy || cfg!(windows);
        let mut view = if private { how.map_anon()?.into_view_sync() } else { how.map_anon_shared()? };
        if !prot.write() {
            view.set_protection(prot.folio())?;
        }
        Ok(Mmap { view, writable: folio::Protection::ReadWrite, writes_file: false })
    }

    /// Writes the map to stable storage, and returns when it is there; see [`flush`](folio::View::flush) of folio for the calls and
    /// for what is covered.
    ///
    /// # Errors
    ///
    /// The system's. It reports a page that it failed to write once, so the failure is kept: every later flush of this map and its
    /// views gives it again.
    pub fn flush(&self) -> io::Result<()> {
        self.view.flush()
    }

    /// Starts what [`flush`](Self::flush) does and does not wait for it. On Linux a thread of the process does the work; memmap calls
    /// `msync(MS_ASYNC)` there, which does nothing (msync(2)).
    ///
    /// # Errors
    ///
    /// What is known at once. The next flush reports the rest.
    pub fn flush_async(&self) -> io::Result<()> {
        self.view.flush_async()
    }

    /// [`flush`](Self::flush) of the bytes `offset .. offset + len`, and what else their pages hold.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end of the map.
    pub fn flush_range(&self, offset: usize, len: usize) -> io::Result<()> {
        self.view.flush_range(offset, len)
    }

    /// [`flush_async`](Self::flush_async) of the bytes `offset .. offset + len`, and what else their pages hold. memmap refuses offsets
    /// inside a page.
    ///
    /// # Errors
    ///
    /// As [`flush_async`](Self::flush_async), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end
    /// of the map.
    pub fn flush_async_range(&self, offset: usize, len: usize) -> io::Result<()> {
        self.view.flush_async_range(offset, len)
    }

    /// Changes what may be done with the bytes. Where changes go is decided when a file is mapped:
    /// [`ReadWrite`](Protection::ReadWrite) and [`ReadCopy`](Protection::ReadCopy) both mean writable here, as in memmap, but
    /// `ReadCopy` of a map that writes to its file is refused, where memmap goes on writing to the file.
    ///
    /// # Errors
    ///
    /// The map is unchanged. [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file was not open for it, and what else the
    /// system's call says; then [`InvalidInput`](io::ErrorKind::InvalidInput) as described above. On all systems but Linux and Android
    /// [`Unsupported`](io::ErrorKind::Unsupported) to write to the file through a map that was made for reading.
    pub fn set_protection(&mut self, prot: Protection) -> io::Result<()> {
        if prot == Protection::ReadCopy && self.writes_file {
            // A file that was not open for writing is said first, as the system says it.
            let before = self.view.protection();
            match self.view.set_protection(self.writable) {
                Ok(()) => self.view.set_protection(before)?,
                // Nor may it be written for another reason.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(error) => return Err(error),
            }
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "where changes go is decided when a file is mapped, and those of this map go to the file",
            ));
        }
        self.view.set_protection(if prot.write() { self.writable } else { prot.folio() })
    }

    /// Length in bytes, never 0.
    #[expect(clippy::len_without_is_empty, reason = "memmap has none")]
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// The address of the first byte. Reading through it obeys the rules of [`as_slice`](Self::as_slice).
    pub fn ptr(&self) -> *const u8 {
        self.view.ptr()
    }

    /// The address of the first byte, for writing. That obeys the rules of [`as_mut_slice`](Self::as_mut_slice).
    pub fn mut_ptr(&mut self) -> *mut u8 {
        self.view.mut_ptr()
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    ///
    /// As long as the slice lives, nobody writes these bytes, in this process or any other; cutting the file short counts as
    /// writing.
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the same obligation, passed on.
        unsafe { self.view.as_slice() }
    }

    /// The bytes as a mutable slice.
    ///
    /// # Safety
    ///
    /// As long as the slice lives, nobody else reads or writes these bytes, in this process or any other, and the map's protection
    /// allows writing.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the same obligation, passed on.
        unsafe { self.view.as_mut_slice() }
    }

    /// The map as a view that can be taken apart, on this thread.
    pub fn into_view(self) -> MmapView {
        MmapView::new(self.into_view_sync())
    }

    /// The map as a view that can be taken apart and sent to other threads.
    pub fn into_view_sync(self) -> MmapViewSync {
        MmapViewSync::new(self.view)
    }
}

fn empty() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "memory map must have a non-zero length")
}

impl fmt::Debug for Mmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On one line, also where `{:#?}` asks for several: as memmap does.
        write!(f, "Mmap {{ ptr: {:?}, len: {} }}", self.ptr(), self.len())
    }
}
