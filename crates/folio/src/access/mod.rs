//! Checked access: copies and numbers that give an error where a plain load or store would end the process.

mod atomic;
mod lend;
mod reader;
mod scalar;
mod writer;

pub use reader::Reader;
pub use scalar::{AtomicScalar, Scalar};
pub use writer::Writer;

use crate::error::read_only;
use crate::fault::lent::Lent;
use crate::fault::{self, Short, Stop, Tried};
use crate::range;
use crate::view::{Access, Exclusive, Shared, View};
use std::io;
use std::ops::Range;

impl<A: Access> View<A> {
    /// Copies the bytes `offset .. offset + buf.len()` of the view into `buf`: all of them, or an error.
    ///
    /// If others write the bytes meanwhile, the copy is a mixture of old and new ones. It costs about what a plain copy costs where
    /// folio has [routines](fault#two-ways-one-promise), and system calls where it has none.
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
    /// - The error of the system if the copy cannot be made at all: the handler cannot be installed, or kernel copies that
    ///   go through a pipe find no descriptor for one.
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
    /// [`fault::atomic_width`], it is a single access of the machine: relaxed, and never torn.
    ///
    /// It costs the checks around it, half a nanosecond to one: nothing beside a load that has to wait for memory or for the load
    /// before it, and it doubles one that has not. To look at many numbers, copy a block of them first
    /// ([`read_exact_at`](Self::read_exact_at)) or borrow a slice ([`with_slice`](View::with_slice)).
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
        range::check_value::<T>(offset, self.len())?;
        // SAFETY: the range lies in the view (checked above), so in a mapping that lives as long as the view [V0][V1].
        match self.settle(unsafe { T::try_load(self.as_ptr(), offset) }) {
            Ok(value) => Ok(value),
            Err(short) => apart(self.load_on(offset, short)),
        }
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

    /// Reads a byte of every page of a range, which has been checked, so that what cannot be brought in is an error now.
    pub(crate) fn touch_pages(&self, offset: usize, len: usize) -> io::Result<()> {
        self.pages_in(offset, len).try_for_each(|at| self.load::<u8>(at).map(drop))
    }

    /// Writes to every page of a range, which has been checked, and changes nothing: an atomic access adds 0 to a number in it.
    /// The pages can be written.
    pub(crate) fn touch_pages_to_write(&self, offset: usize, len: usize) -> io::Result<()> {
        let page_size = self.mapping().page_size();
        self.pages_in(offset, len).try_for_each(|at| {
            let byte = self.start_ptr().wrapping_add(at);
            let page = byte.wrapping_sub(byte.addr() % page_size);
            // SAFETY: the start of a page of a mapping that lives as long as the view [V0][V1], so aligned; it may be before
            // the view, but in the mapping, which is whole pages [M1]. Adding 0 at once changes no byte, whoever else reads
            // or writes it.
            let attempt = || unsafe { fault::try_fetch_add::<u32>(page, 0) };
            self.undisturbed(at, 1, None, || fault::atomic(attempt)).map(drop).map_err(|stop| stop.into_error(at))
        })
    }

    /// The first byte of the range in each of its pages.
    fn pages_in(&self, offset: usize, len: usize) -> impl Iterator<Item = usize> {
        let page_size = self.mapping().page_size();
        let first = offset..offset + len.min(1);
        let boundary = offset + (page_size - (self.as_ptr().addr() + offset) % page_size);
        first.chain((boundary..offset + len).step_by(page_size))
    }

    /// Copies a range that has been checked.
    #[inline]
    fn copy_out(&self, buf: &mut [u8], offset: usize) -> Result<(), Stop> {
        debug_assert!(range::check(offset, buf.len(), self.len()).is_ok());
        let (from, to, len) = (self.as_ptr().wrapping_add(offset), buf.as_mut_ptr(), buf.len());
        // SAFETY: the range lies in the view (caller), so in a mapping that lives as long as the view [V0][V1]; `buf` is
        // borrowed for us alone, so it is not part of memory that safe code could also reach through the view [V2].
        match self.settle(unsafe { fault::try_read(from, to, len) }) {
            Ok(()) => Ok(()),
            Err(short) => apart(self.copy_out_on(buf, offset, short)),
        }
    }

    /// Copies into the view, after the checks that writing needs.
    ///
    /// # Safety
    ///
    /// Nobody has a reference to the bytes of the range, if the view has them and they can be written.
    #[inline]
    unsafe fn copy_in(&self, buf: &[u8], offset: usize) -> io::Result<()> {
        range::check(offset, buf.len(), self.len())?;
        if !self.protection().write() {
            // Writing nothing is allowed everywhere: every operation on an empty view is.
            return if buf.is_empty() { Ok(()) } else { Err(read_only()) };
        }
        let to = self.start_ptr().wrapping_add(offset);
        // SAFETY: the range has been checked, so it lies in a mapping that lives as long as the view [V0][V1]; the caller
        // vouches for its bytes, and `buf` is borrowed.
        match self.written(|| unsafe { fault::try_write(to, buf.as_ptr(), buf.len()) }) {
            Ok(()) => Ok(()),
            Err(begun) => apart(self.copy_in_on(buf, offset, begun)),
        }
    }

    /// Stores a number, after the checks that writing needs.
    ///
    /// # Safety
    ///
    /// As [`copy_in`](Self::copy_in), for the bytes of the number.
    #[inline]
    unsafe fn put<T: Scalar>(&self, value: T, offset: usize) -> io::Result<()> {
        range::check_value::<T>(offset, self.len())?;
        self.check_writable()?;
        let to = self.start_ptr().wrapping_add(offset);
        // SAFETY: as in `copy_in`, for the bytes of the number.
        match self.written(|| unsafe { value.try_store(to) }) {
            Ok(()) => Ok(()),
            Err(begun) => apart(self.put_on(value, offset, begun)),
        }
    }

    /// Makes an attempt to write if no page of the mapping was ever exchanged. If there is something left to do, `Err` with what came
    /// of it, or with `None` if there was none.
    ///
    /// It looks before the attempt as well as after it: what is written must not be written once more without need, for somebody
    /// may have answered to it already.
    #[inline]
    fn written(&self, attempt: impl FnOnce() -> Result<Tried<()>, Short>) -> Result<(), Option<Result<(), Short>>> {
        if !self.mapping().never_exchanged() {
            return Err(None);
        }
        self.settle(attempt()).map_err(|short| Some(short.map_or(Ok(()), Err)))
    }

    /// What an attempt gave, if there is nothing left to do. `Err(None)` if it was made, but pages of the mapping had been exchanged.
    #[inline]
    fn settle<T>(&self, tried: Result<Tried<T>, Short>) -> Result<T, Option<Short>> {
        match tried {
            Ok(Tried::Settled(given)) => Ok(given),
            Ok(Tried::Doubtful(given)) if self.mapping().is_whole() => Ok(given),
            Ok(Tried::Doubtful(_)) => Err(None),
            Err(short) => Err(Some(short)),
        }
    }

    #[inline]
    fn check_writable(&self) -> io::Result<()> {
        if self.protection().write() { Ok(()) } else { Err(read_only()) }
    }

    // What is left to do after the first attempt at an access, whose checks have been made: `short` says how it fell short. `None` says
    // that it was made, but a page of the mapping was exchanged before, or may have been meanwhile.
    //
    // For those that write, `begun` is what came of the attempt, or `None` if there was none.
    //
    // These take what the code around the attempt has in registers, so that it has nothing to put aside for them.

    #[cold]
    #[inline(never)]
    fn copy_out_on(&self, buf: &mut [u8], offset: usize, short: Option<Short>) -> Result<(), Stop> {
        let (from, to, len) = (self.as_ptr().wrapping_add(offset), buf.as_mut_ptr(), buf.len());
        // SAFETY: as in the attempt.
        let first = short.map_or(Ok(()), |short| unsafe { fault::read_on(from, to, len, short) });
        // SAFETY: as in the attempt.
        self.undisturbed(offset, len, Some(first), || unsafe { fault::read(from, to, len) })
    }

    #[cold]
    #[inline(never)]
    fn copy_in_on(&self, buf: &[u8], offset: usize, begun: Option<Result<(), Short>>) -> io::Result<()> {
        let (from, to, len) = (buf.as_ptr(), self.start_ptr().wrapping_add(offset), buf.len());
        // SAFETY: as in the attempt.
        let first = begun.map(|made| made.or_else(|short| unsafe { fault::write_on(to, from, len, short) }));
        // SAFETY: as in the attempt.
        self.undisturbed(offset, len, first, || unsafe { fault::write(to, from, len) })
            .map_err(|stop| stop.into_error(offset))
    }

    #[cold]
    #[inline(never)]
    fn load_on<T: Scalar>(&self, offset: usize, short: Option<Short>) -> io::Result<T> {
        let from = self.as_ptr().wrapping_add(offset);
        // SAFETY: as in the attempt.
        let first = short.map(|short| unsafe { T::load_on(from, short) });
        // SAFETY: as in the attempt.
        self.undisturbed(offset, size_of::<T>(), first, || unsafe { T::load(from) })
            .map_err(|stop| stop.into_error(offset))
    }

    #[cold]
    #[inline(never)]
    fn put_on<T: Scalar>(&self, value: T, offset: usize, begun: Option<Result<(), Short>>) -> io::Result<()> {
        let to = self.start_ptr().wrapping_add(offset);
        // SAFETY: as in the attempt.
        let first = begun.map(|made| made.or_else(|short| unsafe { value.store_on(to, short) }));
        // SAFETY: as in the attempt.
        self.undisturbed(offset, size_of::<T>(), first, || unsafe { value.store(to) })
            .map_err(|stop| stop.into_error(offset))
    }

    /// Makes an access to a range of the view, if `first` is not its answer already, and again if a page of it was lost or came
    /// back under a closure meanwhile: what stands in the place of a lost page is not the file's.
    fn undisturbed<R>(
        &self,
        offset: usize,
        len: usize,
        first: Option<Result<R, Stop>>,
        access: impl Fn() -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        let answer = match (first, self.mapping().exchanged()) {
            (Some(answer), _) => answer,
            (None, None) => access(),
            (None, Some(lent)) => return self.until_undisturbed(lent, offset, len, access),
        };
        match self.mapping().exchanged() {
            Some(lent) if !lent.untouched(self.pages_of(lent, offset, len)) => {
                self.until_undisturbed(lent, offset, len, access)
            }
            _ => answer,
        }
    }

    /// The pages of the mapping that a range of the view touches.
    fn pages_of(&self, lent: &Lent, offset: usize, len: usize) -> Range<usize> {
        if len == 0 { 0..0 } else { lent.extent().pages_at(self.as_ptr().addr() + offset, len) }
    }

    fn until_undisturbed<R>(
        &self,
        lent: &Lent,
        offset: usize,
        len: usize,
        access: impl FnMut() -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        let start = self.as_ptr().addr() + offset;
        let (lost, answer) = lent.undisturbed(self.pages_of(lent, offset, len), access);
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

/// The answer of code that is seldom run, taken apart and put together again. It does not meet the answer of an attempt then, which is
/// known to be good: what the caller does about errors is no branch on the way that is always taken.
#[inline]
#[expect(clippy::needless_question_mark, reason = "it is not needed for what it says")]
fn apart<T, E>(answer: Result<T, E>) -> Result<T, E> {
    Ok(answer?)
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
        // SAFETY: no safe code makes a reference to the bytes of a `Shared` view; who makes one by `unsafe` vouches that nobody
        // writes.
        unsafe { self.copy_in(buf, offset) }
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
        // SAFETY: as in `write_all_at`, for the bytes of the number.
        unsafe { self.put(value, offset) }
    }

    /// A writer to the view's bytes from its start, by checked copies: [`Write`](io::Write) and [`Seek`](io::Seek).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    ///
    /// let view = folio::MmapViewSync::anonymous(1 << 20)?;
    /// // Fills it, without a buffer of its size.
    /// io::copy(&mut io::Read::take(io::repeat(1), view.len() as u64), &mut view.writer())?;
    /// assert_eq!(view.load::<u16>(view.len() - 2)?, 0x0101);
    /// # io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn writer(&self) -> Writer<'_> {
        Writer::new(self)
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
        // SAFETY: `&mut self` is the only way to the bytes of an `Exclusive` view [V2].
        unsafe { self.copy_in(buf, offset) }
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
        // SAFETY: as in `write_all_at`, for the bytes of the number.
        unsafe { self.put(value, offset) }
    }
}
