//! `MmapViewSync`: a part of a map, for any thread.

use std::fmt;
use std::io;

/// A part of a map that can be taken apart further and sent to other threads. The map goes with its last part.
///
/// folio's `MmapViewSync` has the same methods, under the same names, and many more.
pub struct MmapViewSync {
    view: folio::MmapViewSync,
    /// The address of the map's first byte, for `Debug` alone.
    start: usize,
}

impl MmapViewSync {
    pub(crate) fn new(view: folio::MmapViewSync) -> MmapViewSync {
        MmapViewSync { start: view.ptr().addr(), view }
    }

    /// Splits the view into its bytes `0..offset` and its bytes `offset..len`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `offset > self.len()`; the view is dropped. (folio's gives it back.)
    pub fn split_at(self, offset: usize) -> io::Result<(MmapViewSync, MmapViewSync)> {
        let start = self.start;
        let (head, tail) = self.view.split_at(offset)?;
        Ok((MmapViewSync { view: head, start }, MmapViewSync { view: tail, start }))
    }

    /// Narrows this view to its bytes `offset .. offset + len`. The sum may not wrap, as it does in memmap.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end; the view is unchanged.
    pub fn restrict(&mut self, offset: usize, len: usize) -> io::Result<()> {
        self.view.restrict(offset, len)
    }

    /// As [`Mmap::flush`](crate::Mmap::flush), of this view's bytes.
    ///
    /// # Errors
    ///
    /// As [`Mmap::flush`](crate::Mmap::flush).
    pub fn flush(&self) -> io::Result<()> {
        self.view.flush()
    }

    /// As [`Mmap::flush_async`](crate::Mmap::flush_async), of this view's bytes, wherever in a page they begin.
    ///
    /// # Errors
    ///
    /// As [`Mmap::flush_async`](crate::Mmap::flush_async).
    pub fn flush_async(&self) -> io::Result<()> {
        self.view.flush_async()
    }

    /// Length in bytes.
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
    /// As [`Mmap::as_slice`](crate::Mmap::as_slice), also for a [`clone`](Self::clone) of this view.
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the same obligation, passed on.
        unsafe { self.view.as_slice() }
    }

    /// The bytes as a mutable slice. No other slice is made on the way, so the parts of a map may be written at the same time.
    ///
    /// # Safety
    ///
    /// As [`Mmap::as_mut_slice`](crate::Mmap::as_mut_slice), also for a [`clone`](Self::clone) of this view.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the same obligation, passed on.
        unsafe { self.view.as_mut_slice() }
    }

    /// A second view of the same bytes.
    ///
    /// # Safety
    ///
    /// No slice of one of the two is used while the other writes the same bytes.
    pub unsafe fn clone(&self) -> MmapViewSync {
        // SAFETY: the same obligation, passed on; this crate makes no `Mmap` or `MmapMut` of a view.
        MmapViewSync { view: unsafe { self.view.clone() }, start: self.start }
    }

    /// Address of the map, and where this view lies in it.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = std::ptr::without_provenance::<u8>(self.start);
        let offset = self.ptr().addr() - self.start;
        write!(f, "{name} {{ ptr: {start:?}, offset: {offset}, len: {} }}", self.len())
    }
}

impl fmt::Debug for MmapViewSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("MmapViewSync", f)
    }
}
