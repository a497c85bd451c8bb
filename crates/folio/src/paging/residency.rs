//! Which pages are in memory.

#![forbid(unsafe_code)]

use crate::error::invalid_input;
use crate::sys::{self, AsFile, FileRef};
use crate::view::{Access, View};
use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::ops::Range;

/// How many pages of the system are asked about at once.
const AT_ONCE: usize = 1 << 16;

/// How many of a view's pages are in memory, and in which state. Made by [`View::residency`].
///
/// All are counts of pages, of [`page_size`](Self::page_size) bytes each. What the system does not say is `None`. The numbers are
/// of a moment, and of one that has passed when they are looked at.
///
/// # Examples
///
/// ```
/// # if cfg!(target_os = "linux") {
/// let map = folio::MmapMut::map_anon(1 << 20)?;
/// assert_eq!(map.residency()?.resident, 0);
/// map.populate_write()?;
/// let residency = map.residency()?;
/// assert_eq!(residency.resident, residency.pages);
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Residency {
    /// Bytes per page of the view's mapping: larger than [`page_size()`](crate::page_size) for huge pages.
    pub page_size: usize,
    /// Pages that hold bytes of the view.
    pub pages: usize,
    /// Those of them in memory: reading them waits for no disk.
    pub resident: usize,
    /// Those in memory that have changed and are not on the disk yet.
    pub dirty: Option<usize>,
    /// Those in memory that are being written to the disk at this moment.
    pub writeback: Option<usize>,
    /// Those that were in memory and had to go.
    pub evicted: Option<usize>,
    /// Those of them that went so lately that they would still be there if there was a little more memory.
    pub recently_evicted: Option<usize>,
}

impl<A: Access> View<A> {
    /// Counts the view's pages that are in memory.
    ///
    /// For a shared mapping of a file those are the file's pages, whoever brought them in. How many are dirty, being written, or
    /// evicted takes the file: a mapping that keeps it answers ([`open_path`](View::open_path),
    /// [`create_new`](View::create_new), [`keep_file`](crate::MmapOptions::keep_file)), for others there is
    /// [`residency_with`](Self::residency_with). For private mappings and memory of no file those are `None`.
    ///
    /// # Platform-specific behaviour
    ///
    /// | system | asks | of |
    /// |---|---|---|
    /// | Linux, Android | `cachestat` (6.5) of a file that is kept or given; else `mincore` | the page cache; private memory itself |
    /// | macOS, iOS, NetBSD, DragonFly, illumos | `mincore` | memory |
    /// | FreeBSD | `mincore` | pages mapped by this process (unless `vm.mincore_mapped` is 0) |
    /// | Windows | `QueryWorkingSetEx` | the working set of this process: pages that are in memory for others only are not counted |
    /// | others | | [`Unsupported`](io::ErrorKind::Unsupported) |
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) where the system would not tell this process: Linux says of files that
    ///   the process neither owns nor could write that all of their pages are in memory (mincore(2)), which is no answer. So it
    ///   is too if all pages seem to be there, the mapping keeps no file, and the file cannot be found by its path any more;
    ///   [`residency_with`](Self::residency_with) knows.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) where the system has no such call, and the error of that call.
    #[doc(alias = "mincore", alias = "cachestat", alias = "QueryWorkingSetEx")]
    pub fn residency(&self) -> io::Result<Residency> {
        self.residency_by(self.mapping().kept_file())
    }

    /// [`residency`](Self::residency) of a view of `file`, with all that can be known of it: for mappings that keep no file.
    ///
    /// # Errors
    ///
    /// As [`residency`](Self::residency), and [`InvalidInput`](io::ErrorKind::InvalidInput) if that is not the file that is
    /// mapped (on Windows this is not noticed, and the file is not needed).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapViewSync, Protection};
    /// use std::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # std::fs::write(&path, [0; 100])?;
    /// # if cfg!(target_os = "linux") {
    /// let file = File::open(&path)?;
    /// let view = MmapViewSync::open(&file, Protection::Read)?;
    /// if let Some(dirty) = view.residency_with(&file)?.dirty {
    ///     println!("{dirty} pages are not on the disk yet");
    /// }
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn residency_with<F: AsFile>(&self, file: F) -> io::Result<Residency> {
        let file = sys::file_ref(&file);
        let same = match (sys::inspect(file)?.id, self.mapping().file_id()) {
            (Some(given), Some(mapped)) => given == mapped,
            _ => self.mapping().shows_file(),
        };
        if !same {
            return Err(invalid_input("that is not the file that is mapped"));
        }
        self.residency_by(Some(file))
    }

    /// The ranges of the view that are in memory, in order: an iterator that asks the system as it goes. Each range begins and
    /// ends where a page does, or the view; no two touch, if nothing changes meanwhile.
    ///
    /// # Platform-specific behaviour
    ///
    /// `mincore`, `QueryWorkingSetEx` on Windows. See [`residency`](Self::residency).
    ///
    /// # Errors
    ///
    /// As [`residency`](Self::residency); an error of the system's call may also come as an item, the last one.
    ///
    /// # Examples
    ///
    /// ```
    /// # if cfg!(target_os = "linux") {
    /// let page = folio::page_size();
    /// let view = folio::MmapViewSync::anonymous(10 * page)?;
    /// view.store(3 * page, 1_u8)?;
    /// view.store(4 * page, 1_u8)?;
    /// let ranges = view.resident_ranges()?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(ranges, [3 * page..5 * page]);
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn resident_ranges(&self) -> io::Result<ResidentRanges<'_, A>> {
        let mut found_missing = false;
        if self.mapping().shows_file() {
            // The first page that is not in memory shows that the answers are true.
            let mut pages = Asked::new(self);
            while let Some(page) = pages.next()? {
                if !page.resident {
                    found_missing = true;
                    break;
                }
            }
        }
        self.must_be_true(found_missing, self.mapping().kept_file())?;
        Ok(ResidentRanges { asked: Asked::new(self), failed: false })
    }

    fn residency_by(&self, file: Option<FileRef<'_>>) -> io::Result<Residency> {
        let mapping = self.mapping();
        let page_size = mapping.page_size();
        let (first, len) = mapping.pages_of(self.start(), self.len());
        let mut residency = Residency {
            page_size,
            pages: len / page_size,
            resident: 0,
            dirty: None,
            writeback: None,
            evicted: None,
            recently_evicted: None,
        };
        let file_pages = file.filter(|_| mapping.is_shared_file() && len > 0 && page_size == sys::page_size());
        if let Some(file) = file_pages {
            if let Some(cached) = sys::paging::cached(file, mapping.file_offset_of(first), len as u64)? {
                let count = |pages: u64| usize::try_from(pages).unwrap_or(usize::MAX);
                residency.resident = count(cached.resident);
                residency.dirty = Some(count(cached.dirty));
                residency.writeback = Some(count(cached.writeback));
                residency.evicted = Some(count(cached.evicted));
                residency.recently_evicted = Some(count(cached.recently_evicted));
                return Ok(residency);
            }
        }
        let mut pages = Asked::new(self);
        while let Some(page) = pages.next()? {
            residency.resident += usize::from(page.resident);
        }
        self.must_be_true(residency.resident < residency.pages, file)?;
        Ok(residency)
    }

    /// Refuses the answer that all pages are in memory, if it may be one that is given to everybody.
    fn must_be_true(&self, found_missing: bool, file: Option<FileRef<'_>>) -> io::Result<()> {
        let mapping = self.mapping();
        // Pages that stand in zeros have an answer of their own.
        let shown = found_missing && mapping.exchanged().is_none();
        if shown || !mapping.shows_file() || self.is_empty() {
            return Ok(());
        }
        let (first, _) = mapping.pages_of(self.start(), self.len());
        if sys::paging::tells_residency(mapping.address_of(first), file) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the system does not tell which pages of this file are in memory: the process neither owns it nor could write it \
             (or it cannot be found, and residency_with helps)",
        ))
    }
}

/// The ranges of a view that are in memory. Made by [`View::resident_ranges`].
#[must_use = "the system is asked as the iterator is"]
pub struct ResidentRanges<'a, A: Access> {
    asked: Asked<'a, A>,
    failed: bool,
}

impl<A: Access> Iterator for ResidentRanges<'_, A> {
    type Item = io::Result<Range<usize>>;

    fn next(&mut self) -> Option<io::Result<Range<usize>>> {
        if self.failed {
            return None;
        }
        let mut range: Option<Range<usize>> = None;
        loop {
            match self.asked.next() {
                Ok(Some(page)) if page.resident => {
                    range = Some(range.map_or(page.start, |range| range.start)..page.end);
                }
                Ok(Some(_)) if range.is_none() => {}
                Ok(_) => return range.map(Ok),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<A: Access> FusedIterator for ResidentRanges<'_, A> {}

impl<A: Access> fmt::Debug for ResidentRanges<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResidentRanges").field("view", self.asked.view).finish_non_exhaustive()
    }
}

/// A page of the view's mapping, as a range of the view.
struct Page {
    start: usize,
    end: usize,
    resident: bool,
}

/// The pages of a view, one after the other, and what the system says of each.
struct Asked<'a, A: Access> {
    view: &'a View<A>,
    /// The next page and the end of the last one, counted from the start of the mapping.
    next: usize,
    end: usize,
    /// The answers for pages of the system from `next` on, but for the first `used`.
    answers: Vec<u8>,
    used: usize,
}

impl<'a, A: Access> Asked<'a, A> {
    fn new(view: &'a View<A>) -> Asked<'a, A> {
        let (first, len) = view.mapping().pages_of(view.start(), view.len());
        Asked { view, next: first, end: first + len, answers: Vec::new(), used: 0 }
    }

    fn next(&mut self) -> io::Result<Option<Page>> {
        if self.next == self.end {
            return Ok(None);
        }
        let (mapping, small) = (self.view.mapping(), sys::page_size());
        let page_size = mapping.page_size();
        if self.used == self.answers.len() {
            // Both are powers of two, so this is whole pages of either kind.
            let len = (AT_ONCE * small).max(page_size).min(self.end - self.next);
            self.answers.clear();
            self.used = 0;
            let mut answers = std::mem::take(&mut self.answers);
            answers.resize(len / small, 0);
            sys::paging::resident(mapping.address_of(self.next), len, &mut answers)?;
            self.answers = answers;
        }
        // All of a huge page is in memory, or nothing of it.
        let resident = self.answers[self.used] & 1 != 0;
        self.used += page_size / small;
        let (start, page) = (self.view.start(), self.next);
        self.next += page_size;
        Ok(Some(Page { start: page.max(start) - start, end: self.next.min(start + self.view.len()) - start, resident }))
    }
}
