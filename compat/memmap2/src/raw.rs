//! `MmapRaw`: a map that is an address.

use crate::lock::Locks;
use crate::{Mmap, MmapAsRawDesc, MmapMut, MmapOptions};
use std::fmt;
use std::io;

/// A memory map that is an address and a length, and promises nothing about who else touches the bytes: programs that go by it
/// write `unsafe` and their own rules. folio's `MmapViewSync` is the same with safe access.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # std::fs::write(&path, b"bytes")?;
/// let map = memmap2::MmapRaw::map_raw(&std::fs::File::options().read(true).write(true).open(&path)?)?;
/// // SAFETY: inside the map, and nobody else writes there.
/// unsafe { map.as_mut_ptr().write(b'B') };
/// assert_eq!(std::fs::read(&path)?, b"Bytes");
/// # std::io::Result::Ok(())
/// ```
pub struct MmapRaw {
    view: AnyView,
    #[cfg_attr(not(unix), allow(dead_code, reason = "memmap2 locks on Unix only"))]
    locks: Locks,
}

enum AnyView {
    Shared(folio::MmapViewSync),
    /// What somebody else, a flush that a parent process left behind, holds a share of, and so cannot become the other.
    Held(folio::Mmap),
}

/// The same call on whichever view it is.
macro_rules! view {
    ($raw:expr, $view:ident => $call:expr) => {
        match $raw {
            AnyView::Shared($view) => $call,
            AnyView::Held($view) => $call,
        }
    };
}

#[cfg(unix)]
macro_rules! any_view {
    ($map:expr, $view:ident => $call:expr) => {
        view!(&$map.view, $view => $call)
    };
}

#[cfg(unix)]
crate::advice::paging!(MmapRaw, self => any_view);

impl MmapRaw {
    pub(crate) fn from_view(view: folio::MmapViewSync) -> MmapRaw {
        MmapRaw { view: AnyView::Shared(view), locks: Locks::default() }
    }

    /// [`MmapOptions::map_raw`] of an entire file.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    pub fn map_raw<T: MmapAsRawDesc>(file: T) -> io::Result<MmapRaw> {
        MmapOptions::new().map_raw(file)
    }

    /// The address of the first byte, never null.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        view!(&self.view, view => view.as_ptr())
    }

    /// The address of the first byte, for writing. Writing through that of a read-only map ends the process by a signal.
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.as_ptr().cast_mut()
    }

    /// Length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "memmap2 has none")]
    #[inline]
    pub fn len(&self) -> usize {
        view!(&self.view, view => view.len())
    }

    /// As [`MmapMut::flush`].
    ///
    /// # Errors
    ///
    /// As [`MmapMut::flush`].
    pub fn flush(&self) -> io::Result<()> {
        view!(&self.view, view => view.flush())
    }

    /// As [`MmapMut::flush_async`].
    ///
    /// # Errors
    ///
    /// As [`MmapMut::flush_async`].
    pub fn flush_async(&self) -> io::Result<()> {
        view!(&self.view, view => view.flush_async())
    }

    /// As [`MmapMut::flush_range`].
    ///
    /// # Errors
    ///
    /// As [`MmapMut::flush_range`].
    pub fn flush_range(&self, offset: usize, len: usize) -> io::Result<()> {
        view!(&self.view, view => view.flush_range(offset, len))
    }

    /// As [`MmapMut::flush_async_range`].
    ///
    /// # Errors
    ///
    /// As [`MmapMut::flush_async_range`].
    pub fn flush_async_range(&self, offset: usize, len: usize) -> io::Result<()> {
        view!(&self.view, view => view.flush_async_range(offset, len))
    }

    /// Makes the map `new_len` bytes long, in place or, if the options allow it, elsewhere. Linux only.
    ///
    /// # Errors
    ///
    /// As [`Mmap::remap`].
    ///
    /// # Safety
    ///
    /// Nobody uses an address of the map across a move, or one that the map loses; those past the end of the file must not be
    /// touched.
    #[cfg(target_os = "linux")]
    pub unsafe fn remap(&mut self, new_len: usize, options: crate::RemapOptions) -> io::Result<()> {
        crate::options::check_len(new_len)?;
        match &mut self.view {
            AnyView::Shared(view) if options.moves() => view.remap(new_len),
            AnyView::Shared(view) => view.remap_in_place(new_len),
            // SAFETY: this view gives out addresses and no slice.
            AnyView::Held(view) if options.moves() => unsafe { view.remap(new_len) },
            // SAFETY: as for the call above.
            AnyView::Held(view) => unsafe { view.remap_in_place(new_len) },
        }
    }
}

impl fmt::Debug for MmapRaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MmapRaw").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}

impl From<Mmap> for MmapRaw {
    /// Waits for a flush of the map that runs in the background.
    fn from(map: Mmap) -> MmapRaw {
        let view = match map.view.into_view_sync() {
            Ok(view) => AnyView::Shared(view),
            Err(failed) => AnyView::Held(failed.into_view()),
        };
        MmapRaw { view, locks: map.locks }
    }
}

impl From<MmapMut> for MmapRaw {
    fn from(map: MmapMut) -> MmapRaw {
        MmapRaw { view: AnyView::Shared(map.view.into_view_sync()), locks: map.locks }
    }
}
