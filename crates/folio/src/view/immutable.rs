//! What only `Mmap` has: it is cloned and sliced like the owned bytes that it is.

use super::{Immutable, View};
use crate::options::MmapOptions;
use crate::sys::AsFile;
use std::io;
use std::ops::{Bound, RangeBounds};

/// A memory map that nobody writes: a `&[u8]`, owned, cheap to clone and to slice.
///
/// Touching a page of it that has been lost (the file was cut short, the medium failed) ends the process by a signal, as in
/// every plain memory map. The checked calls give an error instead.
///
/// # Methods
///
/// Through `Deref` all methods of `[u8]`; no method here hides one of them: `map.chunks(n)`, `map.split_at(n)` and the rest
/// give slices. Besides:
///
/// | to | call |
/// |---|---|
/// | make one | [`map`](View::map), [`MmapOptions::map_if_safe`], [`MmapMut::freeze`](View::freeze), [`MmapViewSync::seal`](View::seal), [`MmapOptions`] |
/// | share | `clone`, [`slice`](View::slice), [`slice_ref`](View::slice_ref) |
/// | take apart | [`split_off`](View::split_off), [`split_to`](View::split_to), [`into_chunks`](View::into_chunks), [`split_ranges`](View::split_ranges), [`restrict`](View::restrict) |
/// | put together | [`unsplit`](View::unsplit), [`whole`](View::whole) |
/// | read checked | [`read_exact_at`](View::read_exact_at), [`load`](View::load), [`reader`](View::reader) |
/// | make durable what was written before | [`flush`](View::flush), [`flush_async`](View::flush_async), [`flush_range`](View::flush_range), [`flush_async_range`](View::flush_async_range), [`sync_all`](View::sync_all) |
/// | hint at what will be used | [`advise`](View::advise), [`advise_range`](View::advise_range) |
/// | bring into memory | [`populate_read`](View::populate_read), [`populate_read_range`](View::populate_read_range), [`populate_read_steps`](View::populate_read_steps), [`populate_write`](View::populate_write), [`populate_write_range`](View::populate_write_range), [`populate_write_steps`](View::populate_write_steps) |
/// | keep there | [`lock`](View::lock), [`unlock`](View::unlock), [`lock_guard`](View::lock_guard) |
/// | go unchecked (`unsafe`) | [`unchecked_advise`](View::unchecked_advise), [`unchecked_advise_range`](View::unchecked_advise_range) |
/// | turn into another kind | [`make_mut`](View::make_mut), `into_view_sync`, [`assume_exclusive`](View::assume_exclusive) |
/// | change the length, through the only view (`unsafe`) | `remap`, `remap_in_place` |
/// | make final | [`mseal`](View::mseal) |
/// | ask what was lost, and reads as zeros since | [`fault`](View::fault) |
/// | ask | [`protection`](View::protection), [`is_unique`](View::is_unique) |
/// | ask what is there | [`residency`](View::residency), [`residency_with`](View::residency_with), [`resident_ranges`](View::resident_ranges), [`page_size`](View::page_size) |
/// | let go | `drop`, or [`unmap`](View::unmap) to hear of a failure |
///
/// # Examples
///
/// ```
/// use folio::Mmap;
/// use std::fs::File;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # std::fs::write(&path, b"key=value")?;
/// let file = File::open(&path)?;
/// // SAFETY: nobody writes this file or cuts it short while the map lives.
/// let map = unsafe { Mmap::map(&file)? };
/// let at = map.iter().position(|&byte| byte == b'=').unwrap();
///
/// // A parser's slice becomes an owned one, which keeps the mapping alive.
/// let value: Mmap = map.slice_ref(&map[at + 1..]).unwrap();
/// drop(map);
/// assert_eq!(&value[..], b"value");
/// # std::io::Result::Ok(())
/// ```
///
/// A slice cannot outlive its view:
///
/// ```compile_fail,E0505
/// let map = folio::MmapMut::map_anon(10).unwrap().freeze();
/// let slice = &map[..];
/// drop(map);
/// println!("{}", slice[0]);
/// ```
#[doc(alias = "mmap", alias = "MapViewOfFile")]
pub type Mmap = View<Immutable>;

impl View<Immutable> {
    /// Maps an entire file for reading.
    ///
    /// [`MmapViewSync::open`](View::open) is safe, for files that others may write;
    /// [`MmapOptions::map_if_safe`] is, for files that nobody can.
    ///
    /// # Errors
    ///
    /// Those of [`MmapViewSync::open`](View::open).
    ///
    /// # Safety
    ///
    /// As long as the map, its clones and pieces live, nobody writes the bytes of the file: not through another mapping or
    /// handle of it, in this process or any other. Cutting it short counts as writing.
    pub unsafe fn map<F: AsFile>(file: F) -> io::Result<Mmap> {
        // SAFETY: the same obligation, passed on.
        unsafe { MmapOptions::new().map(file) }
    }

    /// An owned view of a part of this one. O(1), one increment of the owner count.
    ///
    /// # Panics
    ///
    /// As slicing does: if the range ends before it starts or reaches past the end. [`restrict`](View::restrict) on a clone
    /// gives an error instead.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = folio::MmapMut::map_anon(100)?.freeze();
    /// assert_eq!(map.slice(10..).len(), 90);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Mmap {
        let start = match range.start_bound() {
            Bound::Included(&start) => Some(start),
            Bound::Excluded(&before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => Some(self.len()),
        };
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= self.len() => self.part(start, end - start),
            _ => panic!(
                "range {:?}..{:?} out of range for a map of {} bytes",
                range.start_bound(),
                range.end_bound(),
                self.len()
            ),
        }
    }

    /// The owned view of a slice of this one: `None` if `bytes` is not a part of this view. An empty slice is one if its
    /// address lies inside this view or at its end.
    ///
    /// O(1), one increment of the owner count.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = folio::MmapMut::map_anon(100)?.freeze();
    /// let (head, _) = map.split_at(10);
    /// assert_eq!(map.slice_ref(head).unwrap().len(), 10);
    /// assert!(map.slice_ref(b"elsewhere").is_none());
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn slice_ref(&self, bytes: &[u8]) -> Option<Mmap> {
        let offset = bytes.as_ptr().addr().checked_sub(self.as_ptr().addr())?;
        let inside = offset <= self.len() && bytes.len() <= self.len() - offset;
        inside.then(|| self.part(offset, bytes.len()))
    }

    /// A second view of a part of this one.
    fn part(&self, offset: usize, len: usize) -> Mmap {
        // SAFETY: both views are `Immutable`, which may share bytes.
        unsafe { self.alias(offset, len) }
    }
}

impl Clone for View<Immutable> {
    /// A second view of the same bytes. O(1), one increment of the owner count.
    fn clone(&self) -> Mmap {
        self.part(0, self.len())
    }
}

#[cfg(feature = "bytes")]
impl From<View<Immutable>> for bytes::Bytes {
    /// The same bytes, not copied; the mapping lives as long as they do.
    fn from(map: View<Immutable>) -> bytes::Bytes {
        bytes::Bytes::from_owner(map)
    }
}
