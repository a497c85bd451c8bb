//! Making views final: seals on the memory behind a mapping, and on the mapping itself.

use super::{Access, Immutable, Shared, View};
use crate::error::{ViewError, invalid_input};
use std::io;

impl View<Shared> {
    /// Seals the memory that this view is all of: nobody changes a byte of it from here on, whatever descriptor or right they
    /// have, and so it is an [`Mmap`](crate::Mmap), with `&[u8]`, without `unsafe`.
    ///
    /// For memory of [`shm::memfd`](crate::shm::memfd), or of another `memfd_create(MFD_ALLOW_SEALING)` mapped with
    /// [`keep_file`](crate::MmapOptions::keep_file). Whoever is sent the descriptor proves it by
    /// [`map_if_safe`](crate::MmapOptions::map_if_safe). The seals are against writing, shrinking, growing and further seals;
    /// they belong to the memory, and nothing takes them off.
    ///
    /// The address stays. Every page is touched, before and after, so that a hole that cannot be filled is an error here
    /// and not a signal later. The pages are mapped anew, so locks and advice do not carry over (but for
    /// [`no_core_dump`](crate::MmapOptions::no_core_dump)). The mapping lets its file go. Waits for a background flush of it.
    ///
    /// # Platform-specific behaviour
    ///
    /// | system | calls |
    /// |---|---|
    /// | Linux (3.17), Android | `mmap` and `mremap`, to put a private mapping in the place of the shared one; `fcntl(F_ADD_SEALS)` |
    /// | FreeBSD (13) | `mmap(MAP_FIXED)`, `fcntl(F_ADD_SEALS)` |
    /// | elsewhere | [`Unsupported`](io::ErrorKind::Unsupported) |
    ///
    /// # Errors
    ///
    /// The view is in the error, and can be written as before.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live, if pages of it are
    ///   [locked](View::lock), or if the memory is mapped for writing elsewhere, in this process or another (the kernel's `EBUSY`).
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the view is a part of its mapping ([`whole`](View::whole)), or the
    ///   mapping is private, of no file, of a file that knows no seals, or made with
    ///   [`zero_fill_on_fault`](crate::MmapOptions::zero_fill_on_fault).
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if others have sealed it against seals, or the kept descriptor
    ///   is not open for writing.
    /// - [`Unsupported`](io::ErrorKind::Unsupported) if the mapping keeps no file, and for huge pages.
    /// - An error that carries a [`Fault`](crate::Fault) if a page cannot be brought in.
    ///
    /// Whoever has the descriptor can also seal the memory, or take pages out of it, while this call is at work. If they leave it
    /// so that it cannot be mapped for writing again, or a page is missing when the seals are on, the view in the error is
    /// read-only.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))] {
    /// use folio::{MmapOptions, shm};
    ///
    /// let (descriptor, view) = shm::memfd("greeting", 5)?;
    /// view.write_all_at(b"hello", 0)?;
    /// let map = view.seal()?;
    /// assert_eq!(&map[..], b"hello");
    ///
    /// // Anybody who is sent the descriptor:
    /// let theirs = MmapOptions::new().map_if_safe(&descriptor)?;
    /// assert_eq!(&theirs[..], b"hello");
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "F_ADD_SEALS", alias = "memfd")]
    pub fn seal(mut self) -> Result<View<Immutable>, ViewError<Self>> {
        match self.seal_whole() {
            // SAFETY: the system lets nobody write the memory any more, or take pages from it [V3]; its pages are mapped for
            // reading, and this is their only view.
            Ok(()) => Ok(unsafe { self.retype() }),
            Err(error) => Err(ViewError::new(error, self)),
        }
    }

    fn seal_whole(&mut self) -> io::Result<()> {
        let mapping = self.only_owner()?;
        mapping.check_seal()?;
        let (start, len) = mapping.contents();
        if (start.as_ptr(), len) != (self.start_ptr(), self.len()) {
            return Err(invalid_input("the view is a part of its mapping, and seals are for the whole"));
        }
        self.touch_pages(0, self.len())?;
        self.only_owner()?.seal()?;
        self.touch_pages(0, self.len())
    }
}

impl<A: Access> View<A> {
    /// Makes the mapping of its only view final: until the process ends, the system refuses to unmap it, to replace a page of
    /// it, and to change what its pages allow.
    ///
    /// For what is ready and must stay as it is, also if a part of the program that goes wrong calls `munmap` or `mprotect` with
    /// the wrong address: tables that are read-only by [`make_read_only`](View::make_read_only), code. What the pages allow at
    /// this moment they allow for good; bytes of a writable mapping can still be written.
    ///
    /// **There is no way back**: the mapping is never unmapped. Dropping its last view leaves it, silently, and
    /// [`unmap`](View::unmap) says so by [`PermissionDenied`](io::ErrorKind::PermissionDenied), as do all calls that would change
    /// the protection (`make_mut`, `make_read_only`, `make_exec`, [`seal`](View::seal)). `with_slice` lends checked copies from
    /// here on, because a lost page could no longer be replaced.
    ///
    /// # Platform-specific behaviour
    ///
    /// `mseal` of Linux 6.10, in 64-bit processes. Elsewhere [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Errors
    ///
    /// The mapping is as before.
    ///
    /// - [`Unsupported`](io::ErrorKind::Unsupported) where the system has no such call.
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live, or a lost page of it stands in zeros.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the mapping was made with
    ///   [`zero_fill_on_fault`](crate::MmapOptions::zero_fill_on_fault).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut table = folio::MmapMut::map_anon(4096)?;
    /// table.fill(7);
    /// let mut table = table.make_read_only()?;
    /// if let Err(error) = table.mseal() {
    ///     // An older kernel, or another system: the table is read-only all the same.
    ///     assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn mseal(&mut self) -> io::Result<()> {
        self.only_owner()?.mseal()
    }
}
