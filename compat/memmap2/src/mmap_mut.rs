//! `MmapMut`: a map that is written.

#[cfg(unix)]
use crate::advice::one_view;
use crate::error::FailedConversion;
use crate::lock::Locks;
use crate::{Mmap, MmapAsRawDesc, MmapOptions};
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

/// A memory map that is written: a `&mut [u8]`.
///
/// Touching a page that has been lost (the file was cut short, the disk behind a hole is full, the medium failed) ends the process
/// by a signal, unless the feature `zero-fill` is on.
///
/// # Examples
///
/// ```
/// let mut map = memmap2::MmapMut::map_anon(100)?;
/// map[..5].copy_from_slice(b"hello");
/// assert_eq!(map.make_read_only()?[..6], *b"hello\0");
/// # std::io::Result::Ok(())
/// ```
pub struct MmapMut {
    pub(crate) view: folio::MmapMut,
    pub(crate) locks: Locks,
}

#[cfg(unix)]
crate::advice::paging!(MmapMut, self => one_view);

impl MmapMut {
    pub(crate) fn from_view(view: folio::MmapMut) -> MmapMut {
        MmapMut { view, locks: Locks::default() }
    }

    /// [`MmapOptions::map_mut`] of an entire file.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As [`MmapOptions::map_mut`].
    pub unsafe fn map_mut<T: MmapAsRawDesc>(file: T) -> io::Result<MmapMut> {
        // SAFETY: the same obligation, passed on.
        unsafe { MmapOptions::new().map_mut(file) }
    }

    /// [`MmapOptions::map_anon`] of `length` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`MmapOptions::map_anon`].
    pub fn map_anon(length: usize) -> io::Result<MmapMut> {
        MmapOptions::new().len(length).map_anon()
    }

    /// Writes the map to stable storage, and returns when it is there; see [`flush`](folio::View::flush) of folio for the calls and
    /// for what is covered. On Apple's systems that takes `F_FULLFSYNC`, which memmap2 does not call.
    ///
    /// # Errors
    ///
    /// The system's. It reports a page that it failed to write once, so the failure is kept: every later flush of this map gives
    /// it again. An error too if a page was lost under the feature `zero-fill`.
    pub fn flush(&self) -> io::Result<()> {
        self.view.flush()
    }

    /// Starts what [`flush`](Self::flush) does and does not wait for it. On Linux a thread of the process does the work; memmap2 calls
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

    /// [`flush_async`](Self::flush_async) of the bytes `offset .. offset + len`, and what else their pages hold.
    ///
    /// # Errors
    ///
    /// As [`flush_async`](Self::flush_async), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end
    /// of the map.
    pub fn flush_async_range(&self, offset: usize, len: usize) -> io::Result<()> {
        self.view.flush_async_range(offset, len)
    }

    /// Makes the pages read-only. [`make_mut`](Mmap::make_mut) goes back.
    ///
    /// # Errors
    ///
    /// The system's, with the map in it ([`FailedConversion`]).
    pub fn make_read_only(self) -> io::Result<Mmap> {
        convert(self.view.make_read_only(), self.locks)
    }

    /// Makes the pages readable and executable, no longer writable.
    ///
    /// On architectures whose instruction caches do not follow what is written (aarch64, riscv64) the program must synchronise them
    /// before it jumps there.
    ///
    /// # Errors
    ///
    /// With the map in it ([`FailedConversion`]): [`PermissionDenied`](io::ErrorKind::PermissionDenied) where the system forbids such pages, the file
    /// system is mounted `noexec`, or, on Windows, the map is of a file.
    pub fn make_exec(self) -> io::Result<Mmap> {
        convert(self.view.make_exec(), self.locks)
    }

    /// Makes the map `new_len` bytes long, in place or, if the options allow it, elsewhere. Linux only.
    ///
    /// # Errors
    ///
    /// As [`Mmap::remap`].
    ///
    /// # Safety
    ///
    /// As [`Mmap::remap`].
    #[cfg(target_os = "linux")]
    pub unsafe fn remap(&mut self, new_len: usize, options: crate::RemapOptions) -> io::Result<()> {
        crate::options::check_len(new_len)?;
        // SAFETY: the same obligation, passed on.
        if options.moves() { unsafe { self.view.remap(new_len) } } else { unsafe { self.view.remap_in_place(new_len) } }
    }
}

/// The outcome of a conversion, with the locks of the map.
fn convert(result: Result<folio::Mmap, folio::ViewError<folio::MmapMut>>, locks: Locks) -> io::Result<Mmap> {
    match result {
        Ok(view) => Ok(Mmap { view, locks }),
        Err(failed) => {
            let (error, view) = failed.into_parts();
            Err(FailedConversion::wrap(error, MmapMut { view, locks }))
        }
    }
}

#[cfg(feature = "stable_deref_trait")]
// SAFETY: `folio::MmapMut` is `StableDeref`, and it is what this one derefs through.
unsafe impl stable_deref_trait::StableDeref for MmapMut {}

impl Deref for MmapMut {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.view
    }
}

impl DerefMut for MmapMut {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.view
    }
}

impl AsRef<[u8]> for MmapMut {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for MmapMut {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for MmapMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MmapMut").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
