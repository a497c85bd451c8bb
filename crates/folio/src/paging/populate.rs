//! Bringing pages in before they are used.

#![forbid(unsafe_code)]

use super::Advice;
use crate::error::read_only;
use crate::fault::Stop;
use crate::range;
use crate::sys::{self, Populate, Populated};
use crate::view::{Access, View};
use std::io;
use std::iter::FusedIterator;

impl<A: Access> View<A> {
    /// Brings every page of the view into memory, ready to be read, and returns when they are there: later accesses need not wait
    /// for the disk, and a page that is lost is an error now and not a signal later.
    ///
    /// It says nothing about how long they stay there ([`lock`](Self::lock) does). It takes as long as it takes to read what
    /// is not in memory; for very large views there is [`populate_read_steps`](Self::populate_read_steps).
    ///
    /// # Platform-specific behaviour
    ///
    /// `madvise(MADV_POPULATE_READ)` on Linux 5.14 and later. Elsewhere the system is told that the pages will be needed
    /// ([`Advice::WillNeed`]), and a byte of each is read by checked access.
    ///
    /// # Errors
    ///
    /// An error that carries a [`Fault`](crate::Fault) if a page cannot be brought in (the file was cut short, the medium
    /// failed): those before it are there. The error of the system's call, [`OutOfMemory`](io::ErrorKind::OutOfMemory) for one.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapViewSync, Protection};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("index");
    /// # std::fs::write(&path, [0; 10_000])?;
    /// let index = MmapViewSync::open_path(&path, Protection::Read)?;
    /// index.populate_read()?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MADV_POPULATE_READ", alias = "prefault")]
    pub fn populate_read(&self) -> io::Result<()> {
        self.populate(0, self.len(), Populate::Read)
    }

    /// [`populate_read`](Self::populate_read) for the bytes `offset .. offset + len` of the view.
    ///
    /// # Errors
    ///
    /// As [`populate_read`](Self::populate_read), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past
    /// the end of the view.
    pub fn populate_read_range(&self, offset: usize, len: usize) -> io::Result<()> {
        self.populate(offset, len, Populate::Read)
    }

    /// Brings every page of the view into memory, ready to be written, and returns when they are there. No byte changes.
    ///
    /// Pages of private memory become the process's own; the file behind a shared view gets its blocks, so that a full disk is
    /// an error now, and its pages count as changed.
    ///
    /// # Platform-specific behaviour
    ///
    /// `madvise(MADV_POPULATE_WRITE)` on Linux 5.14 and later. Elsewhere 0 is added to a number in each page by an atomic
    /// access, where there are [such](crate::fault::ATOMIC_WIDTH).
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the mapping is read-only and the view is not empty.
    /// - An error that carries a [`Fault`](crate::Fault) if a page cannot be brought in (the file was cut short, the disk is
    ///   full, the medium failed): those before it are there.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) where the system has no such call and there are no atomic accesses.
    /// - The error of the system's call.
    ///
    /// # Examples
    ///
    /// ```
    /// # if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) { return std::io::Result::Ok(()) }
    /// let buffer = folio::MmapMut::map_anon(1 << 20)?;
    /// buffer.populate_write()?; // no page fault in the loop that fills it
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MADV_POPULATE_WRITE", alias = "prefault")]
    pub fn populate_write(&self) -> io::Result<()> {
        self.populate(0, self.len(), Populate::Write)
    }

    /// [`populate_write`](Self::populate_write) for the bytes `offset .. offset + len` of the view.
    ///
    /// # Errors
    ///
    /// As [`populate_write`](Self::populate_write), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past
    /// the end of the view.
    pub fn populate_write_range(&self, offset: usize, len: usize) -> io::Result<()> {
        self.populate(offset, len, Populate::Write)
    }

    /// [`populate_read`](Self::populate_read) step by step, for views that take long: an iterator that brings in some `step`
    /// bytes each time it is asked, and says how many bytes of the view are done. To stop, stop asking.
    ///
    /// Steps end where pages do. To use several threads, give each a part of the view
    /// ([`populate_read_range`](Self::populate_read_range)).
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(10 << 20)?;
    /// for done in view.populate_read_steps(4 << 20) {
    ///     let done = done?; // 4 MiB, 8 MiB, 10 MiB
    ///     eprintln!("{} %", done * 100 / view.len());
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn populate_read_steps(&self, step: usize) -> PopulateSteps<'_, A> {
        PopulateSteps { view: self, done: 0, step, how: Populate::Read }
    }

    /// [`populate_write`](Self::populate_write) step by step, as [`populate_read_steps`](Self::populate_read_steps).
    pub fn populate_write_steps(&self, step: usize) -> PopulateSteps<'_, A> {
        PopulateSteps { view: self, done: 0, step, how: Populate::Write }
    }

    fn populate(&self, offset: usize, len: usize, how: Populate) -> io::Result<()> {
        range::check(offset, len, self.len())?;
        if len == 0 {
            return Ok(());
        }
        if how == Populate::Write && !self.protection().write() {
            return Err(read_only());
        }
        match self.populate_pages(offset, len, how)? {
            Populated::Done | Populated::Lost => {}
            Populated::NotSupported => {
                // A hint, to read much at once: whatever becomes of it, what follows waits for each page.
                let _ = self.advise_range(Advice::WillNeed, offset, len);
                match how {
                    Populate::Read => self.touch_pages(offset, len)?,
                    Populate::Write => self.touch_pages_to_write(offset, len)?,
                }
            }
        }
        // What stands in the place of a lost page is not the page.
        self.fault_in(offset, len).map_or(Ok(()), |fault| Err(io::Error::other(fault)))
    }

    /// Has the system bring in the pages of a range that is not empty. It only says that one of them cannot be reached: then
    /// which, is found by halves.
    fn populate_pages(&self, offset: usize, len: usize, how: Populate) -> io::Result<Populated> {
        let mapping = self.mapping();
        let (mut at, len) = mapping.pages_of(self.start() + offset, len);
        let end = at + len;
        let mut step = len;
        while at < end {
            let want = step.min(end - at);
            match sys::paging::populate(mapping.address_of(at), want, how)? {
                Populated::Done => {
                    at += want;
                    step = step.saturating_mul(2);
                }
                Populated::Lost if want == mapping.page_size() => {
                    let first = at.max(self.start() + offset) - self.start();
                    return Err(Stop::lost(first).into_error(0));
                }
                Populated::Lost => step = range::round_down(want / 2, mapping.page_size()).max(mapping.page_size()),
                Populated::NotSupported => return Ok(Populated::NotSupported),
            }
        }
        Ok(Populated::Done)
    }
}

/// Brings in the pages of a view step by step. Made by [`View::populate_read_steps`] and [`View::populate_write_steps`].
///
/// Each item says how many bytes of the view, counted from its start, are done. After an error, which is that of
/// [`populate_read_range`](View::populate_read_range), there are no more.
#[derive(Debug)]
#[must_use = "pages are brought in as the iterator is asked for its items"]
pub struct PopulateSteps<'a, A: Access> {
    view: &'a View<A>,
    done: usize,
    step: usize,
    how: Populate,
}

impl<A: Access> Iterator for PopulateSteps<'_, A> {
    type Item = io::Result<usize>;

    fn next(&mut self) -> Option<io::Result<usize>> {
        let (view, page) = (self.view, self.view.mapping().page_size());
        if self.done == view.len() {
            return None;
        }
        // Where a page ends, after a step or at the next such place; both counted from the start of the mapping.
        let from = view.start() + self.done;
        let next = range::round_down(from, page).saturating_add(page);
        let end = range::round_down(from.saturating_add(self.step), page).max(next);
        let end = (end - view.start()).min(view.len());
        let result = view.populate(self.done, end - self.done, self.how);
        self.done = if result.is_ok() { end } else { view.len() };
        Some(result.map(|()| end))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.view.len() - self.done;
        let page = self.view.mapping().page_size();
        // A step may be shorter by a part of a page at either end.
        let shortest = self.step.saturating_sub(page - 1).max(1);
        (usize::from(left > 0), left.div_ceil(shortest).checked_add(1))
    }
}

impl<A: Access> FusedIterator for PopulateSteps<'_, A> {}
