//! Views as plain slices, where the kind of access makes that sound.

use super::{Exclusive, Unraced, View};
use std::borrow::{Borrow, BorrowMut};
use std::ops::{Deref, DerefMut};
use std::slice;

impl<A: Unraced> Deref for View<A> {
    type Target = [u8];

    /// The bytes.
    ///
    /// Touching a page that has been lost (the file was cut short, the medium failed) ends the process by a signal, as
    /// in every plain memory map; [`read_exact_at`](View::read_exact_at) gives an error instead.
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the range is mapped as long as the view lives [V0][V1], readable in every protection there is, and not
        // longer than `isize::MAX` [M3]. Nobody writes it while the borrow lasts: an `Immutable` view's bytes nobody
        // writes [V3]; an `Exclusive` view's only its owner does, by `&mut` [V2].
        unsafe { slice::from_raw_parts(self.as_ptr(), self.len()) }
    }
}

impl DerefMut for View<Exclusive> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`; nobody else reads or writes these bytes [V2], and the pages can be written [V4].
        unsafe { slice::from_raw_parts_mut(self.start_ptr(), self.len()) }
    }
}

impl<A: Unraced> AsRef<[u8]> for View<A> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<A: Unraced> Borrow<[u8]> for View<A> {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for View<Exclusive> {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl BorrowMut<[u8]> for View<Exclusive> {
    #[inline]
    fn borrow_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl View<Exclusive> {
    /// The address of the first byte, for writing. See [`as_ptr`](View::as_ptr).
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start_ptr()
    }
}

/// Implements `StableDeref` for the views that are slices.
#[cfg(feature = "stable_deref_trait")]
// SAFETY: the bytes stay at their address while the view lives [V0][V1]; moving the view moves three words.
unsafe impl<A: Unraced> stable_deref_trait::StableDeref for View<A> {}
