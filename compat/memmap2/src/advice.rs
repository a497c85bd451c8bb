//! Hints about how pages will be used.

use folio::{Access, View};
use std::io;

/// How a map will be used ([`Mmap::advise`](crate::Mmap::advise)). The numbers are those of `madvise`, whose manual page says more.
///
/// What lets the system change bytes is an [`UncheckedAdvice`].
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Advice {
    /// Nothing special.
    Normal = libc::MADV_NORMAL,
    /// In no order: reading ahead is of little use.
    Random = libc::MADV_RANDOM,
    /// In order: much can be read ahead, and what was read can go soon.
    Sequential = libc::MADV_SEQUENTIAL,
    /// Soon: the system may start to read the pages.
    WillNeed = libc::MADV_WILLNEED,
    /// Children made by `fork` do not have the pages, and die of touching them.
    #[cfg(target_os = "linux")]
    DontFork = libc::MADV_DONTFORK,
    /// Takes `DontFork` back.
    #[cfg(target_os = "linux")]
    DoFork = libc::MADV_DOFORK,
    /// Pages of private memory with the same contents may be merged.
    #[cfg(target_os = "linux")]
    Mergeable = libc::MADV_MERGEABLE,
    /// Takes `Mergeable` back.
    #[cfg(target_os = "linux")]
    Unmergeable = libc::MADV_UNMERGEABLE,
    /// Transparent huge pages may be used.
    #[cfg(target_os = "linux")]
    HugePage = libc::MADV_HUGEPAGE,
    /// Transparent huge pages are not to be used.
    #[cfg(target_os = "linux")]
    NoHugePage = libc::MADV_NOHUGEPAGE,
    /// The pages are left out of core dumps.
    #[cfg(target_os = "linux")]
    DontDump = libc::MADV_DONTDUMP,
    /// Takes `DontDump` back.
    #[cfg(target_os = "linux")]
    DoDump = libc::MADV_DODUMP,
    /// The pages are treated as if the hardware had failed, for tests; takes privileges. A process that touches them ends by a
    /// signal.
    #[cfg(target_os = "linux")]
    HwPoison = libc::MADV_HWPOISON,
    /// The pages are brought in for reading before the call returns. On kernels before 5.14 too, by touching them; and a lost page is an
    /// error that carries a [`folio::Fault`].
    #[cfg(target_os = "linux")]
    PopulateRead = libc::MADV_POPULATE_READ,
    /// The pages are brought in for writing before the call returns, as `PopulateRead` does.
    #[cfg(target_os = "linux")]
    PopulateWrite = libc::MADV_POPULATE_WRITE,
    /// Pages that are still locked when they are unmapped are filled with zeros then. Of a map of a file it is the file's page, which other
    /// maps and readers see, on older systems also if the file is open for reading only. memmap2 lets safe code ask for that; give it
    /// for memory of no file alone.
    #[cfg(target_vendor = "apple")]
    ZeroWiredPages = libc::MADV_ZERO_WIRED_PAGES,
}

/// What lets the system change or drop the bytes of pages ([`Mmap::unchecked_advise`](crate::Mmap::unchecked_advise)). The numbers
/// are those of `madvise`, whose manual page says more.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum UncheckedAdvice {
    /// Not needed soon. On Linux pages of private memory are zeros from then on, or show the file again.
    DontNeed = libc::MADV_DONTNEED,
    /// Pages of private memory are zeros at some time from then on, until they are written.
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    Free = libc::MADV_FREE,
    /// The range of the file becomes a hole.
    #[cfg(target_os = "linux")]
    Remove = libc::MADV_REMOVE,
    /// As `Free`, and the pages are no longer counted as the process's.
    #[cfg(target_vendor = "apple")]
    FreeReusable = libc::MADV_FREE_REUSABLE,
    /// Takes `FreeReusable` back.
    #[cfg(target_vendor = "apple")]
    FreeReuse = libc::MADV_FREE_REUSE,
}

#[cfg(target_os = "linux")]
impl Advice {
    /// Whether the running kernel knows it. What folio does without the kernel's help is always known.
    pub fn is_supported(self) -> bool {
        match self {
            Advice::DontFork => folio::UncheckedAdvice::DontFork.is_supported(),
            Advice::HwPoison => folio::UncheckedAdvice::HwPoison.is_supported(),
            Advice::PopulateRead | Advice::PopulateWrite => true,
            _ => self.hint().is_some_and(folio::Advice::is_supported),
        }
    }
}

#[cfg(target_os = "linux")]
impl UncheckedAdvice {
    /// Whether the running kernel knows it.
    pub fn is_supported(self) -> bool {
        self.command().is_supported()
    }
}

impl Advice {
    /// What folio has as a hint too.
    fn hint(self) -> Option<folio::Advice> {
        Some(match self {
            Advice::Normal => folio::Advice::Normal,
            Advice::Random => folio::Advice::Random,
            Advice::Sequential => folio::Advice::Sequential,
            Advice::WillNeed => folio::Advice::WillNeed,
            #[cfg(target_os = "linux")]
            Advice::DoFork => folio::Advice::DoFork,
            #[cfg(target_os = "linux")]
            Advice::Mergeable => folio::Advice::Mergeable,
            #[cfg(target_os = "linux")]
            Advice::Unmergeable => folio::Advice::Unmergeable,
            #[cfg(target_os = "linux")]
            Advice::HugePage => folio::Advice::HugePage,
            #[cfg(target_os = "linux")]
            Advice::NoHugePage => folio::Advice::NoHugePage,
            #[cfg(target_os = "linux")]
            Advice::DontDump => folio::Advice::DontDump,
            #[cfg(target_os = "linux")]
            Advice::DoDump => folio::Advice::DoDump,
            #[cfg(target_os = "linux")]
            Advice::DontFork | Advice::HwPoison | Advice::PopulateRead | Advice::PopulateWrite => return None,
            #[cfg(target_vendor = "apple")]
            Advice::ZeroWiredPages => return None,
        })
    }

    /// Gives the advice for a part of a view.
    pub(crate) fn give<A: Access>(self, view: &View<A>, offset: usize, len: usize) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            // SAFETY: nothing changes in this process. What a child finds missing is for the one who makes it, for which `fork`
            // is `unsafe` to call.
            Advice::DontFork => unsafe { view.unchecked_advise_range(folio::UncheckedAdvice::DontFork, offset, len) },
            #[cfg(target_os = "linux")]
            // SAFETY: no byte is ever seen to change: who touches such a page ends by a signal. It is what memmap2 lets safe code do,
            // and the system only those who may break the machine.
            Advice::HwPoison => unsafe { view.unchecked_advise_range(folio::UncheckedAdvice::HwPoison, offset, len) },
            #[cfg(target_vendor = "apple")]
            // SAFETY: not for certain. Pages that are locked when the map goes are zeros then, of a file too, under whatever slice another
            // map has of them. It is what memmap2 lets safe code do, and DIFFERENCES.md says so.
            Advice::ZeroWiredPages => unsafe {
                view.unchecked_advise_range(folio::UncheckedAdvice::ZeroWiredPages, offset, len)
            },
            #[cfg(target_os = "linux")]
            Advice::PopulateRead => view.populate_read_range(offset, len),
            #[cfg(target_os = "linux")]
            Advice::PopulateWrite => view.populate_write_range(offset, len).map_err(|error| match error.kind() {
                // Of pages that cannot be written, in the system's words.
                io::ErrorKind::PermissionDenied => io::Error::from_raw_os_error(libc::EINVAL),
                _ => error,
            }),
            _ => match self.hint().map(|hint| view.advise_range(hint, offset, len)) {
                Some(Ok(true)) => Ok(()),
                Some(Err(error)) => Err(error),
                // What memmap2 gives for a hint that the system does not take.
                Some(Ok(false)) | None => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            },
        }
    }
}

impl UncheckedAdvice {
    fn command(self) -> folio::UncheckedAdvice {
        match self {
            UncheckedAdvice::DontNeed => folio::UncheckedAdvice::DontNeed,
            #[cfg(any(target_os = "linux", target_vendor = "apple"))]
            UncheckedAdvice::Free => folio::UncheckedAdvice::Free,
            #[cfg(target_os = "linux")]
            UncheckedAdvice::Remove => folio::UncheckedAdvice::Remove,
            #[cfg(target_vendor = "apple")]
            UncheckedAdvice::FreeReusable => folio::UncheckedAdvice::FreeReusable,
            #[cfg(target_vendor = "apple")]
            UncheckedAdvice::FreeReuse => folio::UncheckedAdvice::FreeReuse,
        }
    }

    /// Gives the advice for a part of a view.
    ///
    /// # Safety
    ///
    /// As [`View::unchecked_advise_range`].
    pub(crate) unsafe fn give<A: Access>(self, view: &View<A>, offset: usize, len: usize) -> io::Result<()> {
        // SAFETY: the same obligation, passed on.
        unsafe { view.unchecked_advise_range(self.command(), offset, len) }
    }
}

/// The calls that the three kinds of map have in common. `$with` is a macro that runs its last argument on the view of the map.
macro_rules! paging {
    ($map:ident, $self:ident => $with:ident) => {
        impl $map {
            /// Tells the system how the map will be used. Unix only.
            ///
            /// # Errors
            ///
            /// The system's: [`InvalidInput`](std::io::ErrorKind::InvalidInput) for what it does not know, or not of memory of
            /// this kind. An error that carries a [`folio::Fault`] if pages were to be brought in and one is lost.
            pub fn advise(&$self, advice: crate::Advice) -> std::io::Result<()> {
                $with!($self, view => advice.give(view, 0, view.len()))
            }

            /// Tells the system what lets it change or drop the bytes of the map. Unix only.
            ///
            /// # Errors
            ///
            /// As [`advise`](Self::advise).
            ///
            /// # Safety
            ///
            /// What happens is as if somebody wrote the bytes of all pages of the map: nothing relies on them staying as they
            /// are, no slice of this map or of another one of the same file.
            pub unsafe fn unchecked_advise(&$self, advice: crate::UncheckedAdvice) -> std::io::Result<()> {
                // SAFETY: the same obligation, passed on.
                $with!($self, view => unsafe { advice.give(view, 0, view.len()) })
            }

            /// [`advise`](Self::advise) for the bytes `offset .. offset + len`, and what else their pages hold. Unix only.
            ///
            /// memmap2 looks whether each of the two is within the map, and not their sum: its advice reaches the memory of others
            /// behind the map.
            ///
            /// # Errors
            ///
            /// As [`advise`](Self::advise), and [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the range reaches past the
            /// end of the map.
            pub fn advise_range(
                &$self,
                advice: crate::Advice,
                offset: usize,
                len: usize,
            ) -> std::io::Result<()> {
                $with!($self, view => advice.give(view, offset, len))
            }

            /// [`unchecked_advise`](Self::unchecked_advise) for the bytes `offset .. offset + len`, and what else their pages
            /// hold. Unix only.
            ///
            /// # Errors
            ///
            /// As [`advise_range`](Self::advise_range).
            ///
            /// # Safety
            ///
            /// As [`unchecked_advise`](Self::unchecked_advise), for the pages of the range.
            pub unsafe fn unchecked_advise_range(
                &$self,
                advice: crate::UncheckedAdvice,
                offset: usize,
                len: usize,
            ) -> std::io::Result<()> {
                // SAFETY: the same obligation, passed on.
                $with!($self, view => unsafe { advice.give(view, offset, len) })
            }

            /// Brings the map into memory and keeps it there until [`unlock`](Self::unlock), however often it is locked. Unix only.
            ///
            /// # Errors
            ///
            /// [`OutOfMemory`](std::io::ErrorKind::OutOfMemory) or
            /// [`PermissionDenied`](std::io::ErrorKind::PermissionDenied) beyond the limit of the process, which the error names
            /// (`RLIMIT_MEMLOCK`).
            pub fn lock(&$self) -> std::io::Result<()> {
                $with!($self, view => $self.locks.lock(view))
            }

            /// Lets the system take the map out of memory again. Unix only.
            ///
            /// # Errors
            ///
            /// The system's.
            pub fn unlock(&$self) -> std::io::Result<()> {
                $with!($self, view => $self.locks.unlock(view))
            }
        }
    };
}
pub(crate) use paging;

/// The view of a map that always has the same kind.
macro_rules! one_view {
    ($map:expr, $view:ident => $call:expr) => {{
        let $view = &$map.view;
        $call
    }};
}
pub(crate) use one_view;
