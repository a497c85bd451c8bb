//! Making a mapping longer or shorter through its only view.

use super::{Shared, Unraced, View};
use std::io;

impl View<Shared> {
    /// Makes the mapping, of which this view must be the only one and the whole, `len` bytes long. It may move to another
    /// address; [`remap_in_place`](Self::remap_in_place) does not. Addresses that were taken before ([`as_ptr`](View::as_ptr)) are good no
    /// longer if it moves, and those past the new end in any case.
    ///
    /// So a mapping does not grow under its readers. For a file that does, map what it grows by as a mapping of its own
    /// ([`MmapOptions::offset`](crate::MmapOptions::offset)), or map more than there is from the start
    /// ([`allow_past_end`](crate::MmapOptions::allow_past_end)): what is past the end is there as soon as the file has it, not on Windows.
    ///
    /// Of a file, the view shows the bytes from the same offset on; the file itself is neither made longer nor cut. Its length
    /// is not looked at: bytes behind its end are a [`Fault`](crate::Fault) until it is as long
    /// ([`MmapOptions::allow_past_end`](crate::MmapOptions::allow_past_end)). Memory that belongs to no file grows by zeros. What
    /// was written before is kept, as far as the new length goes. One system call where the system has one for it, otherwise
    /// see below; the pages themselves are not copied.
    ///
    /// An empty view grows again if it once had bytes, if its memory belongs to no file, or if its mapping keeps the file
    /// ([`MmapOptions::keep_file`](crate::MmapOptions::keep_file)).
    ///
    /// Waits for a background flush of the mapping to end. Promises about earlier pages are kept: a failed flush goes on to be
    /// reported.
    ///
    /// # Platform-specific behaviour
    ///
    /// `mremap` on Linux and Android. It works on one stretch of pages that are treated alike: after advice or locks for a part
    /// of the mapping, growing fails with the system's error (`EFAULT`).
    ///
    /// Elsewhere, and to make memory of huge pages longer, the bytes are mapped a second time and the first mapping goes: memory
    /// that belongs to no file is copied, a shared mapping of a file has to keep it, and a private one is
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Errors
    ///
    /// The view is unchanged.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) after [`mseal`](View::mseal).
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if this view is not the whole mapping ([`whole`](View::whole)), or if `len` is
    ///   above `isize::MAX`, or beyond what offsets of files can be.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) for an empty view that has nothing to grow from, for making memory longer that
    ///   children share, for memory between [guard pages](crate::MmapOptions::guard_pages) unless the number of its pages stays
    ///   the same, and where the system cannot (above).
    /// - An error that carries a [`Fault`](crate::Fault) if a page stands in zeros ([`fault`](View::fault)).
    /// - The system's: [`OutOfMemory`](io::ErrorKind::OutOfMemory) if there is no room.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("log");
    /// let mut log = folio::MmapViewSync::create_new(&path, 1 << 16)?;
    /// log.write_all_at(b"first entry", 0)?;
    ///
    /// std::fs::OpenOptions::new().write(true).open(&path)?.set_len(1 << 20)?;
    /// log.remap(1 << 20)?;
    /// log.write_all_at(b"far away", (1 << 20) - 8)?;
    /// # let mut bytes = [0; 11];
    /// # log.read_exact_at(&mut bytes, 0)?;
    /// # assert_eq!(&bytes, b"first entry");
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "mremap", alias = "resize", alias = "grow")]
    pub fn remap(&mut self, len: usize) -> io::Result<()> {
        self.resize(len, true)
    }

    /// [`remap`](Self::remap) without moving: addresses stay what they are. That of an empty view, which has no bytes, may change.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Linux and Android only; [`Unsupported`](io::ErrorKind::Unsupported) elsewhere, and for making memory of huge pages
    /// longer, unless the number of pages stays the same.
    ///
    /// # Errors
    ///
    /// As [`remap`](Self::remap); [`OutOfMemory`](io::ErrorKind::OutOfMemory) too if something else lies behind the mapping.
    #[doc(alias = "mremap")]
    pub fn remap_in_place(&mut self, len: usize) -> io::Result<()> {
        self.resize(len, false)
    }
}

impl<A: Unraced> View<A> {
    /// Makes the mapping, of which this view must be the only one and the whole, `len` bytes long. It may move to another
    /// address. All else is as for [`MmapViewSync`](crate::MmapViewSync), where it is safe.
    ///
    /// # Errors
    ///
    /// As `MmapViewSync::remap`; the view is unchanged.
    ///
    /// # Safety
    ///
    /// What was vouched for when the mapping was made holds for the bytes that it grows by as well: nobody else writes them, or,
    /// for a [`MmapMut`](crate::MmapMut), touches them. For memory that belongs to no file that is always so. A slice that
    /// reaches past the end of the file ends the process by a signal when it is touched there.
    ///
    /// With the feature `stable_deref_trait`: whoever relies on the bytes to stay where they are holds no address across this
    /// call.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut map = folio::MmapMut::map_anon(100)?;
    /// map.fill(7);
    /// // SAFETY: the memory belongs to no file.
    /// unsafe { map.remap(1 << 20)? };
    /// assert_eq!((map.len(), map[99], map[100]), (1 << 20, 7, 0));
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "mremap", alias = "resize", alias = "grow")]
    pub unsafe fn remap(&mut self, len: usize) -> io::Result<()> {
        self.resize(len, true)
    }

    /// `remap` without moving: addresses stay what they are. That of an empty view, which has no bytes, may change.
    ///
    /// # Errors
    ///
    /// As `MmapViewSync::remap_in_place`; the view is unchanged.
    ///
    /// # Safety
    ///
    /// As for `remap`, but that nothing moves.
    #[doc(alias = "mremap")]
    pub unsafe fn remap_in_place(&mut self, len: usize) -> io::Result<()> {
        self.resize(len, false)
    }
}
