//! The view itself: three words, their invariants, and the few steps by which a view may come from another.

use crate::Protection;
use crate::background;
use crate::error::{invalid_input, not_unique};
use crate::mapping::{Claim, Mapping};
use crate::range;
use crate::sync::Arc;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;

/// Who else may touch the bytes of a view: the parameter of [`View`].
///
/// It is sealed; there are [`Shared`], [`Immutable`] and [`Exclusive`].
pub trait Access: sealed::Sealed + fmt::Debug + 'static {}

/// Anybody may read and write the bytes at any time, other processes too. See [`MmapViewSync`](crate::MmapViewSync).
#[derive(Debug)]
pub enum Shared {}

/// Nobody writes the bytes. See [`Mmap`](crate::Mmap).
#[derive(Debug)]
pub enum Immutable {}

/// Nobody else touches the bytes. See [`MmapMut`](crate::MmapMut).
#[derive(Debug)]
pub enum Exclusive {}

/// The two kinds of access under which a view can be a plain slice in safe code.
///
/// It is sealed; there are [`Immutable`] and [`Exclusive`].
pub trait Unraced: Access {}

impl Access for Shared {}
impl Access for Immutable {}
impl Access for Exclusive {}
impl Unraced for Immutable {}
impl Unraced for Exclusive {}

pub(crate) mod sealed {
    use crate::mapping::Claim;

    pub trait Sealed {
        /// The name under which users know the view.
        const NAME: &'static str;
        /// What must have been vouched for the whole mapping, for a view of this kind to be extended to bytes that no
        /// view covers.
        const CLAIM: Claim;
    }
    impl Sealed for super::Shared {
        const NAME: &'static str = "MmapViewSync";
        const CLAIM: Claim = Claim::Shared;
    }
    impl Sealed for super::Immutable {
        const NAME: &'static str = "Mmap";
        const CLAIM: Claim = Claim::Immutable;
    }
    impl Sealed for super::Exclusive {
        const NAME: &'static str = "MmapMut";
        const CLAIM: Claim = Claim::Exclusive;
    }
}

/// An owned view of a memory mapping: a range of its bytes, which keeps the whole mapping alive.
///
/// The parameter says who else may touch the bytes, and by that which access is sound. Programs use it by three names,
/// whose pages tell what each is for and list its methods:
///
/// | name | who else touches the bytes | access |
/// |---|---|---|
/// | [`MmapViewSync`](crate::MmapViewSync) = `View<Shared>` | anybody, other processes too | checked copies, all by `&self`; plain slices are `unsafe` |
/// | [`MmapMut`](crate::MmapMut) = `View<Exclusive>` | nobody | a `&mut [u8]`; checked copies |
/// | [`Mmap`](crate::Mmap) = `View<Immutable>` | readers only | a `&[u8]`; `Clone` |
///
/// A view is three words, and so is its `Option`. Taking one apart and joining it again moves no address, makes no
/// system call and copies nothing: a piece costs one increment of the mapping's owner count. The mapping goes, by one
/// `munmap` (`UnmapViewOfFile` or `VirtualFree` on Windows), with its last view, on whatever thread that happens to be; a flush of it that
/// runs in the background keeps it until it is done.
pub struct View<A: Access> {
    /// **[V0]** keeps the mapping of `ptr` alive.
    mapping: Arc<Mapping>,
    /// **[V1]** `ptr .. ptr + len` lies inside the contents of the mapping, or is empty and at one of its edges or inside
    /// it; `ptr` was derived from the mapping's own pointer.
    ///
    /// **[V2]** A `Shared` or `Exclusive` view that is not empty shares no byte with any other view of its mapping, but
    /// for those made by `unsafe clone`, whose callers took this over.
    ///
    /// **[V3]** While an `Immutable` view lives, nothing that safe code can reach writes, discards or unmaps its bytes.
    ///
    /// **[V4]** The pages of a mapping with an `Exclusive` view can be written.
    ptr: NonNull<u8>,
    len: usize,
    access: PhantomData<A>,
}

// SAFETY: a view is an `Arc<Mapping>`, which is `Send`, and the address of bytes that are not tied to a thread; what one
// thread may do with them [V2][V3] another may.
unsafe impl<A: Access> Send for View<A> {}
// SAFETY: `&View` reads addresses and, through checked copies, bytes. On `Shared` views it also writes bytes, by copies that
// allow races, for they are outside of Rust's memory model or made of atomics; on the others writing takes `&mut`.
unsafe impl<A: Access> Sync for View<A> {}

const _: () = {
    const fn threads_and_static<T: Send + Sync + Unpin + 'static>() {}
    threads_and_static::<View<Shared>>();
    threads_and_static::<View<Immutable>>();
    threads_and_static::<View<Exclusive>>();
    let words = 3 * size_of::<usize>();
    assert!(size_of::<View<Shared>>() == words && size_of::<Option<View<Shared>>>() == words);
};

impl<A: Access> View<A> {
    /// The first view of a new mapping: all of its contents.
    pub(crate) fn first(mapping: Mapping) -> View<A> {
        assert!(mapping.claim() >= A::CLAIM, "a mapping was made with too weak a claim");
        let (ptr, len) = mapping.contents();
        // [V4], decided by the one table of constructors.
        debug_assert!(A::CLAIM != Claim::Exclusive || mapping.protection().write());
        View { mapping: Arc::new(mapping), ptr, len, access: PhantomData }
    }

    /// A second view of a part of this one.
    ///
    /// # Safety
    ///
    /// The caller takes [V2] over: it gives away one of the two, or both are `Immutable`.
    pub(super) unsafe fn alias(&self, offset: usize, len: usize) -> View<A> {
        assert!(offset <= self.len && len <= self.len - offset);
        // SAFETY: `offset` is not above the length, so the sum stays inside the contents or at their end [V1].
        let ptr = unsafe { self.ptr.add(offset) };
        View { mapping: Arc::clone(&self.mapping), ptr, len, access: PhantomData }
    }

    /// Views of disjoint ranges of this one, which is used up. The caller has checked both: the ranges lie inside, and no
    /// two of them share a byte.
    pub(super) fn take_apart(self, ranges: &[Range<usize>]) -> Vec<View<A>> {
        debug_assert!(range::check_disjoint(ranges).is_ok());
        // SAFETY: the ranges share no byte (caller), and this view, which does share bytes with them, is dropped here.
        ranges.iter().map(|range| unsafe { self.alias(range.start, range.len()) }).collect()
    }

    /// Cuts at `at`: this view keeps the bytes before it, those from it on are returned.
    pub(super) fn cut(&mut self, at: usize) -> View<A> {
        assert!(at <= self.len);
        // SAFETY: the two ranges share no byte once this view is shortened, in the next line.
        let tail = unsafe { self.alias(at, self.len - at) };
        self.len = at;
        tail
    }

    /// Narrows this view to a part of itself. The owner count stays untouched.
    pub(super) fn narrow(&mut self, offset: usize, len: usize) {
        assert!(offset <= self.len && len <= self.len - offset);
        // SAFETY: `offset` is not above the length, so the sum stays inside the contents or at their end [V1].
        self.ptr = unsafe { self.ptr.add(offset) };
        self.len = len;
    }

    /// Whether `next` begins where this view ends, in the same mapping.
    pub(super) fn is_before(&self, next: &View<A>) -> bool {
        let end = self.ptr.as_ptr().wrapping_add(self.len);
        Arc::ptr_eq(&self.mapping, &next.mapping) && end == next.ptr.as_ptr()
    }

    /// Takes over the bytes of a view that begins where this one ends.
    pub(super) fn absorb(&mut self, next: View<A>) {
        assert!(self.is_before(&next));
        // The sum lies inside the contents of the mapping [V1], and the bytes behind the old end were `next`'s [V2].
        self.len += next.len;
    }

    /// Widens the only view of a mapping to all of its contents again.
    pub(super) fn widen(&mut self) -> io::Result<()> {
        let mapping = self.only_owner()?;
        // An `assume_*` vouched for the bytes of one view, not for what lies around them [M2].
        if mapping.claim() < A::CLAIM {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the claim on this view was made for its own bytes only",
            ));
        }
        let contents = mapping.contents();
        (self.ptr, self.len) = contents;
        Ok(())
    }

    /// Gives the mapping, of which this is the only view and the whole, another length.
    pub(super) fn resize(&mut self, len: usize, may_move: bool) -> io::Result<()> {
        if self.mapping.contents() != (self.ptr, self.len) {
            return Err(invalid_input("the view is not all of its mapping"));
        }
        self.exchange(|mapping| mapping.remap(len, may_move))
    }

    /// Has `work` exchange the range of the mapping, of which this is the only view and the whole.
    fn exchange(&mut self, work: impl FnOnce(&mut Mapping) -> io::Result<()>) -> io::Result<()> {
        let mapping = self.only_owner()?;
        let result = work(mapping);
        // After a failure too: whatever the mapping is now, this view is all of it.
        let contents = mapping.contents();
        (self.ptr, self.len) = contents;
        result
    }

    /// The same, for a test of an exchange that the system need not be asked for.
    #[cfg(all(test, unix))]
    pub(crate) fn by_hand(&mut self, work: impl FnOnce(&mut Mapping) -> io::Result<()>) -> io::Result<()> {
        self.exchange(work)
    }

    /// The same bytes under another name.
    ///
    /// # Safety
    ///
    /// The invariants of `View<B>` hold for this view: [V2] or [V3], whichever is `B`'s, and [V4].
    pub(super) unsafe fn retype<B: Access>(self) -> View<B> {
        View { mapping: self.mapping, ptr: self.ptr, len: self.len, access: PhantomData }
    }

    /// The mapping, if this is its only view. Waits for a flush of it that runs in the background, which holds the
    /// mapping too.
    pub(super) fn only_owner(&mut self) -> io::Result<&mut Mapping> {
        background::only_owner(&mut self.mapping).ok_or_else(not_unique)
    }

    /// Unmaps the mapping of its only view.
    pub(super) fn unmap_only(mut self) -> Result<(), (io::Error, View<A>)> {
        match self.only_owner().and_then(Mapping::unmap) {
            Ok(()) => Ok(()),
            Err(error) => Err((error, self)),
        }
    }

    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// Where this view starts in its mapping, in the unit of [`Mapping::flush`].
    pub(crate) fn start(&self) -> usize {
        self.mapping.offset_of(self.ptr)
    }

    /// Whether this is the only view of its mapping.
    ///
    /// A hint and no more: on another thread, what is true now may be false by the next line, and a background flush
    /// of the mapping counts as a view while it runs. The calls that need a unique view check for themselves.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        Arc::strong_count(&self.mapping) == 1
    }

    /// Length in bytes.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the length is 0.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of the first byte, never null; for an empty view the address where its bytes would be, or, of an empty
    /// mapping, some multiple of the page size.
    ///
    /// Reading through it obeys the same rules as [`as_slice`](View::as_slice) of `MmapViewSync`. The mapping stays where it is until its
    /// last view is gone, or its only view is given another length by `remap` (which may move it; `remap_in_place` does not).
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.ptr.as_ptr()
    }

    /// The same address, for writing. Private: who may write depends on `A`.
    #[inline]
    pub(crate) fn start_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// Bytes per page of the view's mapping, a power of two: [`page_size()`](crate::page_size) of the system, or more for huge
    /// pages.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.mapping.page_size()
    }

    /// What the pages of the mapping allow now.
    ///
    /// It is the mapping's, not the view's: an [`Mmap`](crate::Mmap) made by [`freeze`](View::freeze) says
    /// [`Protection::ReadWrite`] and still hands out nothing to write with.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.mapping.protection()
    }
}
