//! `Mmap`: a map that is read.

#[cfg(unix)]
use crate::advice::one_view;
use crate::error::FailedConversion;
use crate::lock::Locks;
use crate::{MapIfSafeError, MmapAsRawDesc, MmapMut, MmapOptions, others};
use std::fmt;
use std::io;
use std::ops::Deref;

/// A memory map that is read: a `&[u8]`.
///
/// Touching a page that has been lost (the file was cut short, the medium failed) ends the process by a signal, unless the feature
/// `zero-fill` is on.
///
/// # Examples
///
/// ```
/// use memmap2::MmapOptions;
/// use std::fs::File;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # std::fs::write(&path, b"..header....")?;
/// let file = File::open(&path)?;
/// // SAFETY: nobody writes this file or cuts it short while the map lives.
/// let map = unsafe { MmapOptions::new().offset(2).len(6).map(&file)? };
/// assert_eq!(&map[..], b"header");
/// # std::io::Result::Ok(())
/// ```
pub struct Mmap {
    pub(crate) view: folio::Mmap,
    pub(crate) locks: Locks,
}

#[cfg(unix)]
crate::advice::paging!(Mmap, self => one_view);

impl Mmap {
    pub(crate) fn from_view(view: folio::Mmap) -> Mmap {
        Mmap { view, locks: Locks::default() }
    }

    /// [`MmapOptions::map`] of an entire file.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As [`MmapOptions::map`].
    pub unsafe fn map<T: MmapAsRawDesc>(file: T) -> io::Result<Mmap> {
        // SAFETY: the same obligation, passed on.
        unsafe { MmapOptions::new().map(file) }
    }

    /// [`MmapOptions::map_if_safe`] of an entire file.
    ///
    /// # Errors
    ///
    /// A [`MapIfSafeError`].
    pub fn map_if_safe<T: MmapAsRawDesc>(file: T) -> Result<Mmap, MapIfSafeError> {
        MmapOptions::new().map_if_safe(file)
    }

    /// Makes the map writable. Of a shared map of a file, which must have been open for writing, what is written goes to the file.
    ///
    /// Being safe, this call cannot ask anybody to vouch that no slice shows the same bytes elsewhere. So a map of a file that
    /// [`map`](Self::map) made is refused while another mapping of this process shows the same pages (Linux and Android; elsewhere it is not known).
    /// memmap2 makes it writable, under the other's slices. The list of mappings is read once per call, which is no proof
    /// against another thread that maps the file a moment later.
    ///
    /// # Errors
    ///
    /// The map is in the error ([`FailedConversion`]), where memmap2 has lost it.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) as described above.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file was not open for writing, and what else the system's call says.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) on Apple's systems for what [`map`](Self::map) made: what is written could not be
    ///   made durable there.
    pub fn make_mut(self) -> io::Result<MmapMut> {
        let Mmap { view, locks } = self;
        let failed = match view.make_mut() {
            Ok(view) => return Ok(MmapMut { view, locks }),
            Err(failed) => failed,
        };
        let (error, view) = failed.into_parts();
        // The one refusal that is folio's own: nobody vouched that this mapping is the only one.
        if error.kind() != io::ErrorKind::PermissionDenied || error.raw_os_error().is_some() {
            return Err(FailedConversion::wrap(error, Mmap { view, locks }));
        }
        if !view.is_empty() && others::show_the_same(view.as_ptr().addr(), view.len()) {
            let error =
                io::Error::new(io::ErrorKind::ResourceBusy, "another mapping of this process shows the same bytes");
            return Err(FailedConversion::wrap(error, Mmap { view, locks }));
        }
        // SAFETY: what `map` asks its caller to vouch for covers what its map becomes; nothing else can, in this signature.
        match unsafe { view.assume_exclusive() } {
            Ok(view) => Ok(MmapMut { view, locks }),
            Err(failed) => {
                let (error, view) = failed.into_parts();
                Err(FailedConversion::wrap(error, Mmap { view, locks }))
            }
        }
    }

    /// Makes the map `new_len` bytes long, in place or, if the options allow it, elsewhere. Linux only.
    ///
    /// # Errors
    ///
    /// The map is unchanged. [`InvalidData`](io::ErrorKind::InvalidData) if the length is above `isize::MAX`;
    /// [`OutOfMemory`](io::ErrorKind::OutOfMemory) if there is no room; and what the system says.
    ///
    /// # Safety
    ///
    /// What was vouched for when the map was made holds for the bytes that it grows by. Those past the end of the file must not be
    /// touched.
    #[cfg(target_os = "linux")]
    pub unsafe fn remap(&mut self, new_len: usize, options: crate::RemapOptions) -> io::Result<()> {
        crate::options::check_len(new_len)?;
        // SAFETY: the same obligation, passed on.
        if options.moves() { unsafe { self.view.remap(new_len) } } else { unsafe { self.view.remap_in_place(new_len) } }
    }
}

#[cfg(feature = "stable_deref_trait")]
// SAFETY: `folio::Mmap` is `StableDeref`, and it is what this one derefs through.
unsafe impl stable_deref_trait::StableDeref for Mmap {}

impl Deref for Mmap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.view
    }
}

impl AsRef<[u8]> for Mmap {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Mmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mmap").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
