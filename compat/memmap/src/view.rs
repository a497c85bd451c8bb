//! `MmapView`: a part of a map, for one thread.

use crate::MmapViewSync;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;

/// A part of a map that can be taken apart further on this thread. The map goes with its last part.
///
/// It is [`MmapViewSync`] without `Send` and `Sync`, and no cheaper than that here.
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(memmap::Mmap::anonymous(10, memmap::Protection::Read).unwrap().into_view());
/// ```
pub struct MmapView {
    view: MmapViewSync,
    this_thread: PhantomData<Rc<()>>,
}

impl MmapView {
    pub(crate) fn new(view: MmapViewSync) -> MmapView {
        MmapView { view, this_thread: PhantomData }
    }

    /// As [`MmapViewSync::split_at`].
    ///
    /// # Errors
    ///
    /// As [`MmapViewSync::split_at`].
    pub fn split_at(self, offset: usize) -> io::Result<(MmapView, MmapView)> {
        let (head, tail) = self.view.split_at(offset)?;
        Ok((MmapView::new(head), MmapView::new(tail)))
    }

    /// As [`MmapViewSync::restrict`].
    ///
    /// # Errors
    ///
    /// As [`MmapViewSync::restrict`].
    pub fn restrict(&mut self, offset: usize, len: usize) -> io::Result<()> {
        self.view.restrict(offset, len)
    }

    /// As [`MmapViewSync::flush`].
    ///
    /// # Errors
    ///
    /// As [`MmapViewSync::flush`].
    pub fn flush(&self) -> io::Result<()> {
        self.view.flush()
    }

    /// As [`MmapViewSync::flush_async`].
    ///
    /// # Errors
    ///
    /// As [`MmapViewSync::flush_async`].
    pub fn flush_async(&self) -> io::Result<()> {
        self.view.flush_async()
    }

    /// Length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "memmap has none")]
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// As [`MmapViewSync::ptr`].
    pub fn ptr(&self) -> *const u8 {
        self.view.ptr()
    }

    /// As [`MmapViewSync::mut_ptr`].
    pub fn mut_ptr(&mut self) -> *mut u8 {
        self.view.mut_ptr()
    }

    /// As [`MmapViewSync::as_slice`].
    ///
    /// # Safety
    ///
    /// As [`MmapViewSync::as_slice`].
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the same obligation, passed on.
        unsafe { self.view.as_slice() }
    }

    /// As [`MmapViewSync::as_mut_slice`].
    ///
    /// # Safety
    ///
    /// As [`MmapViewSync::as_mut_slice`].
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the same obligation, passed on.
        unsafe { self.view.as_mut_slice() }
    }

    /// As [`MmapViewSync::clone`].
    ///
    /// # Safety
    ///
    /// As [`MmapViewSync::clone`].
    pub unsafe fn clone(&self) -> MmapView {
        // SAFETY: the same obligation, passed on.
        MmapView::new(unsafe { self.view.clone() })
    }
}

impl fmt::Debug for MmapView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view.fmt_as("MmapView", f)
    }
}
