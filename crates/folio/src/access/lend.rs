//! Plain slices for the length of a closure, which survive the loss of a page.

use crate::error::read_only;
use crate::fault::lent::{self, Lent};
use crate::fault::{Fault, Stop};
use crate::view::{Access, Shared, View};
use std::io;
use std::slice;

impl<A: Access> View<A> {
    /// The first byte of this view whose page was lost and reads as zeros: while a closure of
    /// [`with_slice`](View::with_slice) goes on over such a page, or for good under
    /// [`zero_fill_on_fault`](crate::MmapOptions::zero_fill_on_fault).
    ///
    /// `None` says that no page of the view reads so, not that each could be reached: only access shows that. O(1) as long as
    /// no page of the mapping is lost, O(pages) otherwise.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault_in(0, self.len())
    }

    /// [`fault`](Self::fault) of a range that has been checked; the offset counts from the start of the view.
    pub(crate) fn fault_in(&self, offset: usize, len: usize) -> Option<Fault> {
        let lent = self.mapping().exchanged().filter(|_| len > 0)?;
        let start = self.as_ptr().addr() + offset;
        let page = lent.first_lost(lent.extent().pages_at(start, len))?;
        Some(Fault { offset: self.fault_of_page(lent, page).offset.max(offset) })
    }

    /// The fault of a lost page: its first byte in this view.
    fn fault_of_page(&self, lent: &Lent, page: usize) -> Fault {
        Fault { offset: lent.extent().start_of(page).saturating_sub(self.as_ptr().addr()) }
    }

    fn error_of_page(&self, lent: &Lent, page: usize) -> io::Error {
        Stop::lost(self.fault_of_page(lent, page).offset).into_error(0)
    }
}

impl View<Shared> {
    /// Runs `f` on the bytes as a plain slice, and answers what it answers; an error, and not the end of the process, if a
    /// page that it touched is lost.
    ///
    /// The slice is read at full speed, by any code and on any thread that `f` uses; calls can be nested. When a page cannot be
    /// reached, zeros take its place and `f` goes on; what it answers is dropped for the error. When no closure uses the page
    /// any more it is itself again: lost as long as the file is short, data when it is long again.
    ///
    /// It costs some tens of nanoseconds; the first call of a mapping reserves as much address space as the mapping has, and 4 bytes for each
    /// of its pages, which take memory where a page is lost.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Linux and Android, on x86-64 and aarch64, the slice is the view's memory. It is a checked copy of all of it, made before
    /// `f` runs, on all other platforms, for huge pages, after [`use_kernel_copies`](crate::fault::use_kernel_copies), and where
    /// something that stands in for the kernel (an emulator) cannot exchange pages; what is promised is the same.
    ///
    /// # Errors
    ///
    /// - An error that carries a [`Fault`]: a page of the view was lost while `f` ran (or before it could, if another closure is
    ///   still using that page). Its offset is that of the first byte of the first such page in the view.
    /// - [`OutOfMemory`](io::ErrorKind::OutOfMemory) for these or for the copy.
    ///
    /// # Panics
    ///
    /// If `f` does; the pages are brought back all the same.
    ///
    /// # Safety
    ///
    /// - While `f` runs, nobody writes these bytes: not by this or another view, not through another mapping or handle of the
    ///   file, in this process or any other. Cutting the file short is allowed.
    /// - After a fault, bytes that `f` has seen may become zero while it still runs. So nothing in it may rely, for memory safety,
    ///   on having checked a byte earlier: no `&str` made without a copy, no archive that was validated once.
    /// - Pages are lost whole. So the same goes for plain slices of other views, where they share the first or the last page with
    ///   this one.
    ///
    /// Side effects of `f` are not undone by the error. A system call that is handed the slice, or a part of it, does not touch
    /// the page as `f` does: it fails with `EFAULT`, or stops before the page, as for any memory that is not there. [`fault`](View::fault) may be asked inside. The thread that calls takes
    /// the signals of lost pages, even if it had blocked them; another thread that `f` hands the slice to, and that blocks
    /// them, dies of a lost page unless it calls [`prepare_thread`](crate::fault::prepare_thread) first.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let view = folio::MmapViewSync::create_new(&path, 1 << 16)?;
    /// // SAFETY: nobody writes the file meanwhile, and a sum of bytes is safe whatever they are.
    /// let sum = unsafe { view.with_slice(|bytes| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>())? };
    /// assert_eq!(sum, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub unsafe fn with_slice<R>(&self, f: impl FnOnce(&[u8]) -> R) -> io::Result<R> {
        if self.is_empty() {
            return Ok(f(&[]));
        }
        let Some(lent) = self.lent()? else {
            return Ok(f(&self.checked_copy()?));
        };
        let guard =
            lent::lend(lent, self.as_ptr().addr(), self.len()).map_err(|page| self.error_of_page(lent, page))?;
        // SAFETY: the range is mapped as long as the view lives [V0][V1], readable in every protection there is and not
        // longer than `isize::MAX` [M3]; a page that is lost is replaced by zeros while the guard lives. The caller vouches
        // that nobody writes.
        let answer = f(unsafe { slice::from_raw_parts(self.as_ptr(), self.len()) });
        match guard.first_lost() {
            None => Ok(answer),
            Some(page) => Err(self.error_of_page(lent, page)),
        }
    }

    /// [`with_slice`](Self::with_slice) for writing.
    ///
    /// What `f` writes to a page after it was lost is gone with the error; what it writes to other pages is written.
    ///
    /// # Platform-specific behaviour
    ///
    /// Where [`with_slice`](Self::with_slice) lends a copy, this one does too, and writes all of it back by checked access after
    /// `f` has returned, the bytes that `f` left alone too; not if it panics.
    ///
    /// # Errors
    ///
    /// Those of [`with_slice`](Self::with_slice), and [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the mapping is
    /// read-only.
    ///
    /// # Panics
    ///
    /// If `f` does; the pages are brought back all the same.
    ///
    /// # Safety
    ///
    /// As [`with_slice`](Self::with_slice), and nobody else reads the bytes either, both from the call until it returns: a lock that `f`
    /// itself gives back is too early.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut view = folio::MmapViewSync::anonymous(100)?;
    /// // SAFETY: nobody else has this memory, and any bytes can be sorted.
    /// unsafe { view.with_slice_mut(|bytes| bytes.sort_unstable())? };
    /// # std::io::Result::Ok(())
    /// ```
    pub unsafe fn with_slice_mut<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> io::Result<R> {
        if !self.protection().write() {
            return Err(read_only());
        }
        if self.is_empty() {
            return Ok(f(&mut []));
        }
        let Some(lent) = self.lent()? else {
            let mut copy = self.checked_copy()?;
            let answer = f(&mut copy);
            self.write_all_at(&copy, 0)?;
            return Ok(answer);
        };
        let guard =
            lent::lend(lent, self.as_ptr().addr(), self.len()).map_err(|page| self.error_of_page(lent, page))?;
        // SAFETY: as in `with_slice`; the pages can be written (checked above), and the caller vouches that nobody else
        // touches the bytes.
        let answer = f(unsafe { slice::from_raw_parts_mut(self.start_ptr(), self.len()) });
        match guard.first_lost() {
            None => Ok(answer),
            Some(page) => Err(self.error_of_page(lent, page)),
        }
    }

    /// The pages of the mapping, and this thread ready to lose some of them; `None` where the slice has to be a copy.
    fn lent(&self) -> io::Result<Option<&Lent>> {
        // Asked for each time: the mapping may be ready, by another thread, and this thread not.
        if !lent::prepare()? {
            return Ok(None);
        }
        match self.mapping().lent() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            lent => lent,
        }
    }

    /// All bytes of the view.
    fn checked_copy(&self) -> io::Result<Vec<u8>> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.len())?;
        copy.resize(self.len(), 0);
        self.read_exact_at(&mut copy, 0)?;
        Ok(copy)
    }
}
