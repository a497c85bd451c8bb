//! What to map, in memmap2's words.

use crate::desc::{FileRef, MmapAsRawDesc, file_len, with_file};
use crate::error::{MapIfSafeError, Reason};
use crate::{Mmap, MmapMut, MmapRaw};
use std::io;

/// How to map: a builder whose last call says what you get.
///
/// | last call | gives | of |
/// |---|---|---|
/// | `unsafe` [`map`](Self::map), [`map_exec`](Self::map_exec), [`map_copy_read_only`](Self::map_copy_read_only) | [`Mmap`] | a file that nobody writes |
/// | `unsafe` [`map_mut`](Self::map_mut), [`map_copy`](Self::map_copy) | [`MmapMut`] | a file that nobody else touches, or writes |
/// | [`map_if_safe`](Self::map_if_safe) | [`Mmap`] | a file that the system proves unchangeable |
/// | [`map_anon`](Self::map_anon) | [`MmapMut`] | zeros |
/// | [`map_raw`](Self::map_raw), [`map_raw_read_only`](Self::map_raw_read_only) | [`MmapRaw`] | a file, as an address |
///
/// # Safety
///
/// The calls that give slices of a file are `unsafe`, because the file may be written or cut short by others while the slice
/// promises that it is not. folio's `MmapViewSync` reads and writes such files safely.
///
/// # Errors of all last calls that take a file
///
/// - [`InvalidData`](io::ErrorKind::InvalidData) if the length is above `isize::MAX`, given or the file's; or if no length is given
///   and the offset is past the end of the file.
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) if offset and length together are out of range; if the file is nothing that
///   can be mapped; or if it is a device and no length is given (memmap2 makes an empty map of it).
///   [`IsADirectory`](io::ErrorKind::IsADirectory) for a directory.
/// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file is not open for reading, or not for writing where the map
///   writes to it.
/// - The system's.
///
/// A length that is given is taken at its word, as in memmap2: the map may reach past the end of the file, where its bytes cannot be
/// touched until the file has grown over them (on Windows the page that the file ends in is the last one), and the file may be a
/// device.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the `Debug` output is part of the API: field by field that of memmap2"
)]
pub struct MmapOptions {
    offset: u64,
    len: Option<usize>,
    huge: Option<u8>,
    stack: bool,
    populate: bool,
    no_reserve_swap: bool,
    no_probe_handle: bool,
}

impl MmapOptions {
    /// The entire file, or no bytes of memory, and nothing special.
    pub fn new() -> MmapOptions {
        MmapOptions::default()
    }

    /// Starts the map at byte `offset` of the file, which need not be a multiple of anything. For [`map_anon`](Self::map_anon) it
    /// is ignored.
    pub fn offset(&mut self, offset: u64) -> &mut Self {
        self.offset = offset;
        self
    }

    /// Makes the map `len` bytes long. Without it, a map of a file reaches to the file's end, and one of memory is empty.
    pub fn len(&mut self, len: usize) -> &mut Self {
        self.len = Some(len);
        self
    }

    /// Says that memory is for a thread's stack (`MAP_STACK`); see
    /// [`folio::MmapOptions::stack`]. For files it is ignored.
    pub fn stack(&mut self) -> &mut Self {
        self.stack = true;
        self
    }

    /// Takes memory from the pool of huge pages: of 2 to the power of `page_bits` bytes, or of the system's default size for
    /// `None` (or 0). On Linux and Android; elsewhere, and for files, it is ignored.
    ///
    /// The length need not be a multiple of the huge page. memmap2 leaks the pages then; here what is mapped is also unmapped.
    pub fn huge(&mut self, page_bits: Option<u8>) -> &mut Self {
        self.huge = Some(page_bits.unwrap_or(0));
        self
    }

    /// Brings the pages into memory before the call returns; see [`folio::MmapOptions::populate`].
    pub fn populate(&mut self) -> &mut Self {
        self.populate = true;
        self
    }

    /// Reserves no swap space; see [`folio::MmapOptions::no_reserve_swap`].
    pub fn no_reserve_swap(&mut self) -> &mut Self {
        self.no_reserve_swap = true;
        self
    }

    /// On Windows: maps for what the last call says and no more, which is quicker. [`make_mut`](Mmap::make_mut) is refused then for what
    /// [`map`](Self::map) made. Elsewhere it does nothing.
    pub fn no_probe_handle(&mut self) -> &mut Self {
        self.no_probe_handle = true;
        self
    }

    /// Maps a file for reading.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As long as the map lives, nobody writes these bytes of the file, in this process or any other; cutting it short counts as
    /// writing. And if it is made writable ([`make_mut`](Mmap::make_mut)), nobody else maps or reads them.
    pub unsafe fn map<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        #[cfg(windows)]
        if !self.no_probe_handle {
            // What is to be writable one day must be mapped so from the start. A file that is not open for writing is refused.
            // SAFETY: the caller vouches for more than that nobody writes: the map is read-only before anybody has it.
            if let Ok(map) = unsafe { self.map_mut(&Lent(&file)) }.and_then(MmapMut::make_read_only) {
                return Ok(map);
            }
        }
        // SAFETY: the caller vouches for the file.
        self.with(&file, |options, file| unsafe { options.map(file) }).map(Mmap::from_view)
    }

    /// Maps a file for reading and executing.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`]; [`PermissionDenied`](io::ErrorKind::PermissionDenied) also for a file system mounted `noexec`.
    ///
    /// # Safety
    ///
    /// As [`map`](Self::map).
    pub unsafe fn map_exec<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        // SAFETY: the caller vouches for the file.
        self.with(&file, |options, file| unsafe { options.map_exec(file) }).map(Mmap::from_view)
    }

    /// Maps a file for reading and writing. What is written shows in the file at once.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As long as the map lives, and what is made of it, nobody else reads or writes these bytes of the file, in this process or
    /// any other; cutting it short counts as writing.
    pub unsafe fn map_mut<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapMut> {
        // SAFETY: the caller vouches for the file.
        self.with(&file, |options, file| unsafe { options.map_mut(file) }).map(MmapMut::from_view)
    }

    /// Maps a private copy of a file (copy-on-write) for reading and writing. The file need only be open for reading.
    ///
    /// It is not a snapshot: a page that has not been written yet may show later changes of the file.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As long as the map lives, nobody writes these bytes of the file, in this process or any other.
    pub unsafe fn map_copy<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapMut> {
        // SAFETY: the caller vouches for the file.
        self.with(&file, |options, file| unsafe { options.map_copy(file) }).map(MmapMut::from_view)
    }

    /// Maps a private copy of a file (copy-on-write) for reading; [`make_mut`](Mmap::make_mut) makes it writable.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As [`map_copy`](Self::map_copy).
    pub unsafe fn map_copy_read_only<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        // SAFETY: the caller vouches for the file.
        self.with(&file, |options, file| unsafe { options.map_copy_read_only(file) }).map(Mmap::from_view)
    }

    /// Maps a file that the system proves to be unchangeable, without `unsafe`: memory that is sealed against writing and
    /// shrinking, or a file under fs-verity. See [`folio::MmapOptions::map_if_safe`], for what is believed and why.
    ///
    /// Linux, Android, and seals on FreeBSD. (memmap2 takes the word of any file system about fs-verity, that of a server in user
    /// space too, and does not look whether a hole of sealed memory can be filled.)
    ///
    /// # Errors
    ///
    /// A [`MapIfSafeError`], which tells the three ways to fail apart. A range that reaches past the end of the file is not
    /// safe.
    pub fn map_if_safe<T: MmapAsRawDesc>(&self, file: T) -> Result<Mmap, MapIfSafeError> {
        let mapped = with_file(&file, |file| Ok(self.map_proved(file)));
        mapped.unwrap_or_else(|error| Err(Reason::MapFailed(error))).map_err(MapIfSafeError::new)
    }

    fn map_proved(&self, file: FileRef<'_>) -> Result<Mmap, Reason> {
        self.check_len().map_err(Reason::MapFailed)?;
        let mut options = self.common();
        let mut beyond = false;
        if let Some(len) = self.len {
            beyond = self.offset.checked_add(len as u64).is_none();
            options.len(len);
        }
        if beyond {
            // Whether the file is safe is said first.
            options.offset(0).len(0);
        }
        match options.map_if_safe(file) {
            Ok(_) if beyond => Err(Reason::MapFailed(out_of_range())),
            Ok(view) => Ok(Mmap::from_view(view)),
            Err(error) => Err(self.reason(error, file)),
        }
    }

    /// What an error of folio's means here.
    fn reason(&self, error: io::Error, file: FileRef<'_>) -> Reason {
        match error.kind() {
            io::ErrorKind::Unsupported => Reason::NotSupported,
            // Texts of folio's own, not answers of the system.
            io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory if error.raw_os_error().is_none() => {
                let kind = error.kind();
                let error = self.translate(error, file);
                if error.kind() == kind { Reason::NotSafe(error) } else { Reason::MapFailed(error) }
            }
            _ => Reason::MapFailed(error),
        }
    }

    /// Maps zeros that belong to no file, private to this process: a child made by `fork` has its own copy.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the length is above `isize::MAX`; [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// if there are no huge pages of the size; and the system's.
    pub fn map_anon(&self) -> io::Result<MmapMut> {
        self.check_len()?;
        let mut options = self.common();
        options.len(self.len.unwrap_or(0));
        if self.stack {
            options.stack();
        }
        if cfg!(any(target_os = "linux", target_os = "android")) {
            if let Some(bits) = self.huge {
                options.huge((bits != 0).then_some(bits));
            }
        }
        options.map_anon().map(MmapMut::from_view).map_err(|error| {
            // A length that no whole pages fit is within the limit (above), but more than there can be.
            let too_long = error.kind() == io::ErrorKind::InvalidInput && error.raw_os_error().is_none();
            if too_long && self.huge.is_none() { io::ErrorKind::OutOfMemory.into() } else { error }
        })
    }

    /// Maps a file for reading and writing, as an address and no slice.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    pub fn map_raw<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapRaw> {
        self.with(&file, |options, file| options.map_view(file, folio::Protection::ReadWrite)).map(MmapRaw::from_view)
    }

    /// Maps a file for reading, as an address and no slice. Writing through it ends the process by a signal.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    pub fn map_raw_read_only<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapRaw> {
        self.with(&file, |options, file| options.map_view(file, folio::Protection::Read)).map(MmapRaw::from_view)
    }

    /// Maps a file by `map`.
    fn with<T: MmapAsRawDesc, V: Empty>(
        &self,
        file: &T,
        map: impl Fn(&folio::MmapOptions, FileRef<'_>) -> io::Result<V>,
    ) -> io::Result<V> {
        with_file(file, |file| {
            self.check_len()?;
            let options = self.for_file();
            let view = map(&options, file).map_err(|error| self.translate(error, file))?;
            #[cfg(target_os = "linux")]
            if view.is_empty() {
                // memmap2 keeps a page of an empty file mapped, so that `remap` can make more of it when the file has grown.
                let mut options = options.clone();
                let mut view = map(options.len(1).allow_past_end(), file)?;
                view.make_empty()?;
                return Ok(view);
            }
            Ok(view)
        })
    }

    /// What files and memory have in common.
    fn common(&self) -> folio::MmapOptions {
        let mut options = folio::MmapOptions::new();
        options.offset(self.offset);
        if self.populate {
            options.populate();
        }
        if self.no_reserve_swap {
            options.no_reserve_swap();
        }
        options
    }

    fn for_file(&self) -> folio::MmapOptions {
        let mut options = self.common();
        if let Some(len) = self.len {
            options.len(len).allow_past_end();
            // SAFETY: those who get a slice of what is mapped have vouched for the bytes, by an `unsafe` call; a `MmapRaw` touches
            // none, and who goes by its address writes `unsafe` there.
            unsafe { options.allow_device() };
        }
        #[cfg(all(
            feature = "zero-fill",
            any(target_os = "linux", target_os = "android"),
            any(target_arch = "x86_64", target_arch = "aarch64"),
            target_pointer_width = "64",
        ))]
        // SAFETY: by turning the feature on, which says so, the one who builds the program vouches that nothing relies on having
        // checked a byte earlier. Without a lost page, which is a breach of what the maker of the map vouched for, nothing is
        // different.
        unsafe {
            options.zero_fill_on_fault();
        }
        options
    }

    fn check_len(&self) -> io::Result<()> {
        check_len(self.len.unwrap_or(0))
    }

    /// The error that memmap2 gives where folio gives another: it is found out only when there is one.
    fn translate(&self, error: io::Error, file: FileRef<'_>) -> io::Error {
        if self.len.is_some() || error.kind() != io::ErrorKind::InvalidInput || error.raw_os_error().is_some() {
            return error;
        }
        match file_len(file).map(|len| len.checked_sub(self.offset)) {
            Ok(None) => invalid_data("the offset of the map is past the end of the file"),
            Ok(Some(left)) if isize::try_from(left).is_err() => too_long(),
            _ => error,
        }
    }
}

/// Refuses lengths that no slice can have.
pub(crate) fn check_len(len: usize) -> io::Result<()> {
    if isize::try_from(len).is_ok() { Ok(()) } else { Err(too_long()) }
}

/// Programs have come to know this text.
fn too_long() -> io::Error {
    invalid_data("memory map length overflows isize")
}

fn invalid_data(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn out_of_range() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "offset and length together are out of range")
}

/// A view that may turn out to be empty, which matters where it can grow.
trait Empty {
    #[cfg(target_os = "linux")]
    fn is_empty(&self) -> bool;
    #[cfg(target_os = "linux")]
    fn make_empty(&mut self) -> io::Result<()>;
}

impl Empty for folio::MmapViewSync {
    #[cfg(target_os = "linux")]
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    #[cfg(target_os = "linux")]
    fn make_empty(&mut self) -> io::Result<()> {
        self.remap_in_place(0)
    }
}

macro_rules! empty {
    ($($view:ty),*) => {
        $(impl Empty for $view {
            #[cfg(target_os = "linux")]
            fn is_empty(&self) -> bool {
                self.is_empty()
            }

            #[cfg(target_os = "linux")]
            fn make_empty(&mut self) -> io::Result<()> {
                // SAFETY: the mapping loses bytes, for which nobody needs to vouch.
                unsafe { self.remap_in_place(0) }
            }
        })*
    };
}

empty!(folio::Mmap, folio::MmapMut);

/// A file that is lent twice.
#[cfg(windows)]
struct Lent<'a, T>(&'a T);

#[cfg(windows)]
impl<T: MmapAsRawDesc> MmapAsRawDesc for &Lent<'_, T> {
    fn as_raw_desc(&self) -> crate::MmapRawDescriptor {
        self.0.as_raw_desc()
    }
}
