//! Taking views apart, narrowing them and joining them again: the same for every kind of access.

#![forbid(unsafe_code)]

use super::{Access, IntoChunks, View, sealed::Sealed};
use crate::error::{ViewError, invalid_input};
use crate::range;
use std::fmt;
use std::io;
use std::mem;
use std::ops::Range;

impl<A: Access> View<A> {
    /// Splits off the bytes from `at` on: this view keeps `0..at`, the view of `at..len` is returned.
    ///
    /// O(1), one increment of the owner count; no address moves.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `at > self.len()`; this view is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut head = folio::MmapMut::map_anon(100)?;
    /// let tail = head.split_off(60)?;
    /// assert_eq!((head.len(), tail.len()), (60, 40));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "the bytes split off are gone with the returned view; to shorten a view, call `restrict`"]
    pub fn split_off(&mut self, at: usize) -> io::Result<Self> {
        range::check(at, 0, self.len())?;
        Ok(self.cut(at))
    }

    /// Splits off the bytes before `at`: the view of `0..at` is returned, this view keeps `at..len`.
    ///
    /// O(1), one increment of the owner count; no address moves.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `at > self.len()`; this view is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut rest = folio::MmapMut::map_anon(100)?;
    /// let record = rest.split_to(60)?;
    /// assert_eq!((record.len(), rest.len()), (60, 40));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "the bytes split off are gone with the returned view; to shorten a view, call `restrict`"]
    pub fn split_to(&mut self, at: usize) -> io::Result<Self> {
        range::check(at, 0, self.len())?;
        let tail = self.cut(at);
        Ok(mem::replace(self, tail))
    }

    /// Narrows this view to its bytes `offset .. offset + len`.
    ///
    /// O(1), and the owner count stays untouched. What is cut away is reachable again only through
    /// [`whole`](View::whole).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `offset + len` is above `self.len()` or above `usize::MAX`; this
    /// view is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut view = folio::MmapViewSync::anonymous(100)?;
    /// view.restrict(10, 20)?;
    /// assert_eq!(view.len(), 20);
    /// assert!(view.restrict(1, usize::MAX).is_err());
    /// assert_eq!(view.len(), 20);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn restrict(&mut self, offset: usize, len: usize) -> io::Result<()> {
        range::check(offset, len, self.len())?;
        self.narrow(offset, len);
        Ok(())
    }

    /// Joins `other`, which begins where this view ends in the same mapping, to the end of this view.
    ///
    /// O(1), one decrement of the owner count.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput), with `other` in it, if `other` does not begin where this view ends
    /// or belongs to another mapping, even one that happens to lie right behind this one in the address space. This view
    /// is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut head, tail) = folio::MmapViewSync::anonymous(100)?.split_at(60)?;
    /// head.unsplit(tail)?;
    /// assert_eq!(head.len(), 100);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unsplit(&mut self, other: Self) -> Result<(), ViewError<Self>> {
        if !self.is_before(&other) {
            let error = invalid_input("the view does not begin where the other one ends in the same mapping");
            return Err(ViewError::new(error, other));
        }
        self.absorb(other);
        Ok(())
    }

    /// Cuts the view into owned pieces of `len` bytes each; the last one is shorter if `len` does not divide the length.
    ///
    /// The pieces are made as the iterator is asked for them, one increment of the owner count each. An empty view has no
    /// pieces. What the iterator has not given out when it is dropped goes with it.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `len` is 0; the view is in the error.
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(10)?;
    /// let lengths: Vec<_> = view.into_chunks(4)?.map(|piece| piece.len()).collect();
    /// assert_eq!(lengths, [4, 4, 2]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_chunks(self, len: usize) -> Result<IntoChunks<A>, ViewError<Self>> {
        if len == 0 {
            return Err(ViewError::new(invalid_input("the length of a piece must not be 0"), self));
        }
        Ok(IntoChunks::new(self, len))
    }

    /// Takes the view apart into owned views of the given ranges, in the order in which they are given.
    ///
    /// The ranges are half-open, in bytes of this view. They may leave gaps, touch, stand in any order and be empty; an
    /// empty range shares no byte with any other. What no range covers is dropped. O(n log n) for n ranges.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if two ranges share a byte, if one ends before it starts, or if one
    /// reaches past the end of the view; the view is in the error.
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(100)?;
    /// let columns = view.split_ranges(&[50..100, 0..10, 10..50])?;
    /// assert_eq!(columns.iter().map(|view| view.len()).collect::<Vec<_>>(), [50, 10, 40]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn split_ranges(self, ranges: &[Range<usize>]) -> Result<Vec<Self>, ViewError<Self>> {
        let checked = ranges
            .iter()
            .try_for_each(|range| range::check_range(range, self.len()))
            .and_then(|()| range::check_disjoint(ranges));
        match checked {
            Ok(()) => Ok(self.take_apart(ranges)),
            Err(error) => Err(ViewError::new(error, self)),
        }
    }

    /// Widens the only view of a mapping to the entire mapping again, whatever has been split off and dropped before.
    ///
    /// Waits for a background flush of the mapping to end.
    ///
    /// # Errors
    ///
    /// The view is in the error, unharmed.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the view is a [`Mmap`](crate::Mmap) or
    ///   [`MmapMut`](crate::MmapMut) and nobody vouches for the bytes around it: it was made by
    ///   [`assume_immutable`](View::assume_immutable) or [`assume_exclusive`](View::assume_exclusive), which vouch for the bytes
    ///   of one view, or others were let into another piece of a file's mapping ([`into_view_sync`](View::into_view_sync)).
    ///
    /// # Examples
    ///
    /// ```
    /// let (head, tail) = folio::MmapViewSync::anonymous(100)?.split_at(60)?;
    /// let failed = head.whole().unwrap_err();
    /// drop(tail);
    /// assert_eq!(failed.into_view().whole()?.len(), 100);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn whole(mut self) -> Result<Self, ViewError<Self>> {
        match self.widen() {
            Ok(()) => Ok(self),
            Err(error) => Err(ViewError::new(error, self)),
        }
    }

    /// Unmaps the mapping now, and says whether that worked. Dropping the last view does the same but cannot say so.
    ///
    /// Nothing is flushed: what was written to a shared mapping of a file is in the file, and reaches the disk when the
    /// system writes it back. Waits for a background flush of the mapping to end.
    ///
    /// # Errors
    ///
    /// The view is in the error, unharmed.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live.
    /// - The error of `munmap`, which is documented for invalid arguments and for a process with too many mappings
    ///   (`UnmapViewOfFile` and `VirtualFree` on Windows).
    ///
    /// # Examples
    ///
    /// ```
    /// let (head, tail) = folio::MmapViewSync::anonymous(100)?.split_at(60)?;
    /// drop(head);
    /// tail.unmap()?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "munmap", alias = "UnmapViewOfFile")]
    pub fn unmap(self) -> Result<(), ViewError<Self>> {
        self.unmap_only().map_err(|(error, view)| ViewError::new(error, view))
    }
}

impl<A: Access> fmt::Debug for View<A> {
    /// The name under which users know the view, its address, length and protection; no byte of the contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(<A as Sealed>::NAME)
            .field("ptr", &self.as_ptr())
            .field("len", &self.len())
            .field("protection", &self.protection())
            .finish()
    }
}
