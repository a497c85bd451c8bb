//! Hints about how pages will be used, which change no byte, and commands that may, apart from them.

use crate::sys;
use crate::view::{Access, View};
use std::io;

/// What a program tells the system of how it will use pages. No hint changes a byte, or takes one away.
///
/// | | Linux, Android (since) | macOS, iOS | FreeBSD | other Unix | Windows |
/// |---|---|---|---|---|---|
/// | `Normal`, `Random`, `Sequential` | yes | yes | yes | yes | |
/// | `WillNeed` | yes | yes | yes | yes | yes |
/// | `Cold` | 5.4 | `MADV_DONTNEED` | `MADV_DONTNEED` | | |
/// | `PageOut` | 5.4 | | | | |
/// | `HugePage`, `NoHugePage` | 2.6.38 | | | | |
/// | `Collapse` | 6.1 | | | | |
/// | `Mergeable`, `Unmergeable` | 2.6.32 | | | | |
/// | `DontDump`, `DoDump` | 3.4 | | yes | DragonFly | |
/// | `DoFork` | 2.6.16 | | | | |
/// | `KeepOnFork` | 4.14 | | | | |
///
/// The names are those of `madvise`, whose manual page says more of each. What may lose data has a type of its own:
/// [`UncheckedAdvice`]. Bringing pages in is [`populate_read`](View::populate_read) and
/// [`populate_write`](View::populate_write), which say how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "madvise", alias = "posix_madvise")]
pub enum Advice {
    /// Nothing special: takes `Random` and `Sequential` back.
    Normal,
    /// Pages will be used in no order, so reading ahead is of little use.
    Random,
    /// Pages will be used in order, so much can be read ahead, and what was used can go soon.
    Sequential,
    /// Pages will be used soon: the system may start to read them.
    WillNeed,
    /// Pages will not be used for a while: they are the first to go when memory is short.
    Cold,
    /// Pages are to go now: they are written to where they belong (file or swap), and their memory is free then. Pages of a file
    /// that the process could not write stay.
    PageOut,
    /// Transparent huge pages may be used: where the system gives them to those who ask
    /// (`/sys/kernel/mm/transparent_hugepage/enabled`), for whole huge pages inside the range.
    HugePage,
    /// Transparent huge pages are not to be used.
    NoHugePage,
    /// Pages are to be copied together into huge pages now, those of files too, whatever the setting for transparent huge pages.
    /// It works on the whole huge pages inside the range, and takes the time of a copy. Not taken where there is none, or if the
    /// memory is of a kind that cannot have them; an error if there is no memory for it
    /// ([`OutOfMemory`](io::ErrorKind::OutOfMemory)) or a page is in use
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock), [`ResourceBusy`](io::ErrorKind::ResourceBusy)).
    Collapse,
    /// Pages of private memory with the same contents may be merged into one, until one is written. That others can find out
    /// by time that they have the same contents is the price.
    Mergeable,
    /// Takes `Mergeable` back.
    Unmergeable,
    /// Pages are left out of core dumps.
    DontDump,
    /// Takes `DontDump` back.
    DoDump,
    /// Takes [`UncheckedAdvice::DontFork`] back.
    DoFork,
    /// Takes [`UncheckedAdvice::WipeOnFork`] back.
    KeepOnFork,
}

impl Advice {
    /// Whether the running system knows this hint. It may still not be taken for memory of some kind.
    ///
    /// On Linux this asks the kernel, by a system call for no bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// if !folio::Advice::Cold.is_supported() {
    ///     eprintln!("this kernel keeps what we do not need");
    /// }
    /// ```
    #[must_use]
    pub fn is_supported(self) -> bool {
        sys::paging::knows(self)
    }
}

/// What the system can be told of pages that changes or loses bytes, in this process or in its children: each is `unsafe`.
///
/// Pages are whole: bytes of neighbours that lie in the same page as the first or last bytes of the range meet the same.
///
/// | | Linux, Android (since) | macOS, iOS | FreeBSD | other Unix | Windows |
/// |---|---|---|---|---|---|
/// | `DontNeed` | yes | yes | yes | yes | |
/// | `Free` | 4.5 | yes | yes | BSDs, illumos | `DiscardVirtualMemory` |
/// | `Remove` | 2.6.16 | | | | |
/// | `DontFork` | 2.6.16 | | | | |
/// | `WipeOnFork` | 4.14 | | | | |
/// | `HwPoison` | 2.6.32 | | | | |
/// | `FreeReusable`, `FreeReuse` | | yes | | | |
/// | `ZeroWiredPages` | | yes | | | |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UncheckedAdvice {
    /// On Linux, pages of private memory are zeros from now on, or show the file again; pages of shared memory are given back and
    /// lose nothing. On the other systems pages are the first to go and lose nothing.
    DontNeed,
    /// Pages of private memory of no file are zeros at some time from now on, until they are written.
    Free,
    /// The range of the file becomes a hole: its bytes are zeros, for everybody, and its blocks are free.
    Remove,
    /// Children made by `fork` do not have these pages: they die of touching them.
    DontFork,
    /// Children made by `fork` have zeros in place of these pages of private memory.
    WipeOnFork,
    /// The pages are treated as if the hardware had failed, for tests. Takes privileges.
    HwPoison,
    /// As `Free`, and the pages are no longer counted as the process's.
    FreeReusable,
    /// Takes `FreeReusable` back, for pages that are to be used again.
    FreeReuse,
    /// Pages that are still [locked](View::lock) when they are unmapped are filled with zeros then, so that nothing of a secret stays in
    /// memory. That is done to the page of memory itself: of a mapping of a file it is the file's page, which all other
    /// mappings, readers and the disk see, on older systems also if the file is mapped and open for reading only. It is for private
    /// memory of no file.
    ZeroWiredPages,
}

impl UncheckedAdvice {
    /// Whether the running system knows this command. It may still refuse it for memory of some kind.
    ///
    /// On Linux this asks the kernel, by a system call for no bytes.
    #[must_use]
    pub fn is_supported(self) -> bool {
        sys::paging::knows_unchecked(self)
    }
}

impl<A: Access> View<A> {
    /// Tells the system how the pages of the view will be used. `Ok` says whether it took the hint.
    ///
    /// `false` is no failure: the system (an old kernel, another platform) has no such hint, or does not take it for memory of
    /// this kind, and everything is as before. `true` says that the system accepted it; what it makes of it is its own
    /// business. For a view without bytes it is `true`.
    ///
    /// The hint is for whole pages. Those in which the view begins and ends may hold bytes of its neighbours too, for which it
    /// means no more than another speed.
    ///
    /// # Platform-specific behaviour
    ///
    /// `madvise` on Unix, `PrefetchVirtualMemory` on Windows. See [`Advice`] for which system knows what. Hints that belong to
    /// pages (all but `WillNeed`, `Cold`, `PageOut` and `Collapse`) make a mapping of its own, inside the kernel, of each stretch
    /// of pages that differs from its neighbours; on Linux a process has 65,530 by default (`vm.max_map_count`).
    ///
    /// # Errors
    ///
    /// If the system knows the hint and tried, and could not follow: [`OutOfMemory`](io::ErrorKind::OutOfMemory) for too many
    /// mappings or a lack of memory, and what [`Advice::Collapse`] says.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::Advice;
    ///
    /// let map = folio::MmapMut::map_anon(64 << 20)?;
    /// if !map.advise(Advice::HugePage)? {
    ///     eprintln!("no huge pages here, so it will be a little slower");
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "madvise", alias = "posix_madvise", alias = "PrefetchVirtualMemory")]
    pub fn advise(&self, advice: Advice) -> io::Result<bool> {
        self.advise_range(advice, 0, self.len())
    }

    /// [`advise`](Self::advise) for the bytes `offset .. offset + len` of the view.
    ///
    /// # Errors
    ///
    /// As [`advise`](Self::advise), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end of the
    /// view.
    pub fn advise_range(&self, advice: Advice, offset: usize, len: usize) -> io::Result<bool> {
        match self.pages(offset, len)? {
            Some((address, len)) => sys::paging::advise(address, len, advice),
            None => Ok(true),
        }
    }

    /// Tells the system to treat the pages of the view in a way that changes or loses bytes.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) if the system has no such command
    /// ([`is_supported`](UncheckedAdvice::is_supported)), and the error of the system's call, by which it also refuses what it has
    /// not for memory of this kind ([`InvalidInput`](io::ErrorKind::InvalidInput) for locked pages, say).
    ///
    /// # Safety
    ///
    /// What happens is as if somebody wrote the bytes of all pages of the view, or took them away. So of this view, of its
    /// neighbours in its first and last page, and, for [`Remove`](UncheckedAdvice::Remove), of every map of the file, no slice
    /// lives that relies on them staying as they are, and none is made, in a child made by `fork` either, that relies on what was
    /// there before. After [`Free`](UncheckedAdvice::Free) and [`FreeReusable`](UncheckedAdvice::FreeReusable) bytes may change
    /// at any time until they are written. After [`ZeroWiredPages`](UncheckedAdvice::ZeroWiredPages) the bytes of a locked page change
    /// when it is unmapped, which dropping the last view does: if that page is a file's, or is shared with a child made by `fork`, nobody
    /// relies on it then, in this process or another.
    ///
    /// # Examples
    ///
    /// ```
    /// # if cfg!(target_os = "linux") {
    /// let view = folio::MmapViewSync::anonymous(1 << 20)?;
    /// // SAFETY: nobody has a slice of this memory.
    /// unsafe { view.unchecked_advise(folio::UncheckedAdvice::WipeOnFork)? };
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "madvise", alias = "DiscardVirtualMemory")]
    pub unsafe fn unchecked_advise(&self, advice: UncheckedAdvice) -> io::Result<()> {
        // SAFETY: the same obligations, passed on.
        unsafe { self.unchecked_advise_range(advice, 0, self.len()) }
    }

    /// [`unchecked_advise`](Self::unchecked_advise) for the bytes `offset .. offset + len` of the view.
    ///
    /// # Errors
    ///
    /// As [`unchecked_advise`](Self::unchecked_advise), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches
    /// past the end of the view.
    ///
    /// # Safety
    ///
    /// As [`unchecked_advise`](Self::unchecked_advise), for the pages of the range.
    pub unsafe fn unchecked_advise_range(&self, advice: UncheckedAdvice, offset: usize, len: usize) -> io::Result<()> {
        match self.pages(offset, len)? {
            // SAFETY: these are pages of the mapping [M1][V1]; the caller vouches for what becomes of their bytes.
            Some((address, len)) => unsafe { sys::paging::advise_unchecked(address, len, advice) },
            None => Ok(()),
        }
    }
}
