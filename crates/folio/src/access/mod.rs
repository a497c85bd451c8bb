//! Checked access: copies and numbers that give an error where a plain load or store would end the process.

mod atomic;
mod lend;
mod reader;
mod scalar;

pub use reader::Reader;
pub use scalar::{AtomicScalar, Scalar};

use crate::error::read_only;
use crate::fault::lent::Lent;
use crate::fault::{self, Stop};
use crate::range;
use crate::view::{Access, Exclusive, Shared, View};
use std::io;

impl<A: Access> View<A> {
    /// Copies the bytes `offset .. offset + buf.len()` of the view into `buf`: all of them, or an error.
    ///
    /// If others write the bytes meanwhile, the copy is a mixture of old and new ones.
    ///
    /// # Platform-specific behaviour
    ///
    /// A page on a network file system that is mounted hard and has gone away waits in the kernel until it is back.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end of the view; nothing is copied.
    /// - An error that carries a [`Fault`](crate::Fault) if a page cannot be reached: the file was cut short under the mapping,
    ///   the disk behind a hole is full, the medium failed. The bytes before [`Fault::offset`](crate::Fault::offset) are
    ///   copied; what is in `buf` from there on is unspecified.
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(100)?;
    /// let mut buf = [1; 4];
    /// view.read_exact_at(&mut buf, 96)?;
    /// assert_eq!(buf, [0; 4]);
    /// assert!(view.read_exact_at(&mut buf, 97).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn read_exact_at(&self, buf: &mut [u8], offset: usize) -> io::Result<()> {
        range::check(offset, buf.len(), self.len())?;
        self.copy_out(buf, offset).map_err(|stop| stop.into_error(offset))
    }

    /// The number whose bytes, in the order of this machine, are at `offset`.
    ///
    /// `offset` need not be a multiple of anything. If the address is a multiple of the number's size, and that is not above
    /// [`fault::ATOMIC_WIDTH`], it is a single access of the machine: relaxed, and never torn.
    ///
    /// # Errors
    ///
    /// As [`read_exact_at`](Self::read_exact_at).
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(100)?;
    /// view.store(3, 0x0102_0304_u32)?;
    /// assert_eq!(view.load::<u32>(3)?, 0x0102_0304);
    /// assert_eq!(u32::from_be_bytes(view.load::<u32>(3)?.to_ne_bytes()), u32::from_be(0x0102_0304));
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn load<T: Scalar>(&self, offset: usize) -> io::Result<T> {
        range::check(offset, size_of::<T>(), self.len())?;
        let from = self.as_ptr().wrapping_add(offset);
        self.undisturbed(offset, size_of::<T>(), || {
            // SAFETY: the range lies in the view (checked above), so in a mapping that lives as long as the view [V0][V1].
            unsafe { T::load(from) }
        })
        .map_err(|stop| stop.into_error(offset))
    }

    /// A reader of the view's bytes from its start, by checked copies: [`Read`](io::Read) and [`Seek`](io::Seek).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Seek, SeekFrom};
    ///
    /// let view = folio::MmapViewSync::anonymous(100)?;
    /// let mut reader = view.reader();
    /// reader.seek(SeekFrom::End(-10))?;
    /// assert_eq!(reader.read_to_end(&mut Vec::new())?, 10);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn reader(&self) -> Reader<'_, A> {
        Reader::new(self)
    }

    /// Reads a byte of every page of the view, so that what cannot be brought in is an error now.
    pub(crate) fn touch_every_page(&self) -> io::Result<()> {
        let page_size = self.mapping().page_size();
        let first_boundary = page_size - self.as_ptr().addr() % page_size;
        if !self.is_empty() {
            self.load::<u8>(0)?;
        }
        (first_boundary..self.len()).step_by(page_size).try_for_each(|at| self.load::<u8>(at).map(drop))
    }

    /// Copies a range that has been checked.
    #[inline]
    fn copy_out(&self, buf: &mut [u8], offset: usize) -> Result<(), Stop> {
        debug_assert!(range::check(offset, buf.len(), self.len()).is_ok());
        let from = self.as_ptr().wrapping_add(offset);
        self.undisturbed(offset, buf.len(), || {
            // SAFETY: the range lies in the view (caller), so in a mapping that lives as long as the view [V0][V1]; `buf` is
            // borrowed for us alone, so it is not part of memory that safe code could also reach through the view [V2].
            unsafe { fault::read(from, buf.as_mut_ptr(), buf.len()) }
        })
    }

    /// Runs an access that writes, after the checks that writing needs.
    #[inline]
    fn writing(&self, offset: usize, len: usize, access: impl FnMut() -> Result<(), Stop>) -> io::Result<()> {
        self.check_write(offset, len)?;
        self.undisturbed(offset, len, access).map_err(|stop| stop.into_error(offset))
    }

    /// The checks that writing needs.
    #[inline]
    fn check_write(&self, offset: usize, len: usize) -> io::Result<()> {
        range::check(offset, len, self.len())?;
        // Writing nothing is allowed everywhere: every operation on an empty view is.
        if len == 0 || self.protection().write() { Ok(()) } else { Err(read_only()) }
    }

    /// Runs an access to a range of the view, again if a page of it was lost or came back under a closure meanwhile: what
    /// stands in the place of a lost page is not the file's.
    #[inline]
    fn undisturbed<R>(
        &self,
        offset: usize,
        len: usize,
        mut access: impl FnMut() -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        match access() {
            Ok(value) if self.mapping().exchanged().is_none() => Ok(value),
            answer => self.disturbed(answer, offset, len, access),
        }
    }

    /// What is left to do when an access has failed, or may have been disturbed.
    #[cold]
    #[inline(never)]
    fn disturbed<R>(
        &self,
        answer: Result<R, Stop>,
        offset: usize,
        len: usize,
        access: impl FnMut() -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        match self.mapping().exchanged() {
            None => answer,
            Some(lent) => self.until_undisturbed(lent, offset, len, access),
        }
    }

    #[cold]
    fn until_undisturbed<R>(
        &self,
        lent: &Lent,
        offset: usize,
        len: usize,
        access: impl FnMut() -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        let start = self.as_ptr().addr() + offset;
        let pages = if len == 0 { 0..0 } else { lent.extent().pages_at(start, len) };
        let (lost, answer) = lent.undisturbed(pages, access);
        let Some(page) = lost else {
            return answer;
        };
        let lost = lent.extent().start_of(page).saturating_sub(start);
        Err(match answer {
            Ok(_) => Stop::lost(lost),
            Err(Stop::Fault(at)) => Stop::Fault(at.min(lost)),
            Err(stop) => stop,
        })
    }
}

impl View<Shared> {
    /// Copies all of `buf` into the bytes `offset .. offset + buf.len()` of the view, or gives an error.
    ///
    /// It takes `&self`: others may write these bytes anyway, and when writers meet, each byte is one of theirs. `Ok` means
    /// that everybody who maps or reads the file sees the bytes (see [`Protection::ReadWrite`](crate::Protection::ReadWrite)), not
    /// that they are on the disk: for that, flush.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end of the view; nothing is written.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the mapping is read-only and `buf` is not empty.
    /// - An error that carries a [`Fault`](crate::Fault) if a page cannot be reached, as in
    ///   [`read_exact_at`](View::read_exact_at). The bytes before [`Fault::offset`](crate::Fault::offset) are written.
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(100)?;
    /// view.write_all_at(b"header", 0)?;
    /// assert!(view.write_all_at(b"header", 95).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn write_all_at(&self, buf: &[u8], offset: usize) -> io::Result<()> {
        let to = self.start_ptr().wrapping_add(offset);
        self.writing(offset, buf.len(), || {
            // SAFETY: the range has been checked, so it lies in a mapping that lives as long as the view [V0][V1]. No safe code
            // makes a reference to the bytes of a `Shared` view; who makes one by `unsafe` vouches that nobody writes.
            unsafe { fault::write(to, buf.as_ptr(), buf.len()) }
        })
    }

    /// Writes the bytes of a number, in the order of this machine, at `offset`, which need not be a multiple of anything.
    ///
    /// A single access of the machine under the same condition as [`load`](View::load).
    ///
    /// # Errors
    ///
    /// As [`write_all_at`](Self::write_all_at).
    #[inline]
    pub fn store<T: Scalar>(&self, offset: usize, value: T) -> io::Result<()> {
        let to = self.start_ptr().wrapping_add(offset);
        self.writing(offset, size_of::<T>(), || {
            // SAFETY: as in `write_all_at`, for the bytes of the number.
            unsafe { value.store(to) }
        })
    }
}

impl View<Exclusive> {
    /// Copies all of `buf` into the bytes `offset .. offset + buf.len()` of the view, or gives an error: the checked way to
    /// write, where a plain slice would end the process if a page is lost.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end of the view; nothing is written.
    /// - An error that carries a [`Fault`](crate::Fault) if a page cannot be reached, as in
    ///   [`read_exact_at`](View::read_exact_at). The bytes before [`Fault::offset`](crate::Fault::offset) are written.
    #[inline]
    pub fn write_all_at(&mut self, buf: &[u8], offset: usize) -> io::Result<()> {
        let to = self.start_ptr().wrapping_add(offset);
        self.writing(offset, buf.len(), || {
            // SAFETY: the range has been checked, so it lies in a mapping that lives as long as the view [V0][V1]; `&mut self` is
            // the only way to the bytes of an `Exclusive` view [V2].
            unsafe { fault::write(to, buf.as_ptr(), buf.len()) }
        })
    }

    /// Writes the bytes of a number, in the order of this machine, at `offset`, which need not be a multiple of anything.
    ///
    /// A single access of the machine under the same condition as [`load`](View::load).
    ///
    /// # Errors
    ///
    /// As [`write_all_at`](Self::write_all_at).
    #[inline]
    pub fn store<T: Scalar>(&mut self, offset: usize, value: T) -> io::Result<()> {
        let to = self.start_ptr().wrapping_add(offset);
        self.writing(offset, size_of::<T>(), || {
            // SAFETY: as in `write_all_at`, for the bytes of the number.
            unsafe { value.store(to) }
        })
    }
}
