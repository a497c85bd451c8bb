//! From one kind of access to another: a claim may be weakened freely, and strengthened never without proof.

use super::{Access, Exclusive, Immutable, Shared, Unraced, View};
use crate::Protection;
use crate::error::ViewError;
use crate::mapping::{Claim, Mapping};
use std::io;

impl View<Exclusive> {
    /// Gives up writing: the same bytes as an [`Mmap`](crate::Mmap), which can be cloned and sliced.
    ///
    /// No system call; the pages stay writable, but nothing that safe code can reach writes them. Bytes written to a shared
    /// mapping of a file before can still be flushed, through any view. [`make_read_only`](Self::make_read_only) also
    /// takes the right to write from the pages.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut map = folio::MmapMut::map_anon(100)?;
    /// map[..5].copy_from_slice(b"ready");
    /// let map = map.freeze();
    /// let word = map.slice(..5);
    /// std::thread::spawn(move || assert_eq!(&word[..], b"ready")).join().unwrap();
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "the view is in the returned value"]
    pub fn freeze(self) -> View<Immutable> {
        // SAFETY: the only one who could write was the owner of this view [V2], who gives it up [V3].
        unsafe { self.retype() }
    }

    /// Lets others in: the same bytes as a [`MmapViewSync`](crate::MmapViewSync). No system call.
    ///
    /// Of a mapping of a file, a private copy too, what was vouched for when it was made is void from then on for the bytes of
    /// this view: [`make_mut`](View::make_mut) of another piece needs a new promise
    /// ([`assume_exclusive`](View::assume_exclusive)), and [`whole`](View::whole) refuses to widen another piece that is a
    /// [`Mmap`](crate::Mmap) or [`MmapMut`](crate::MmapMut). Anonymous memory stays the program's own.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut map = folio::MmapMut::map_anon(100)?;
    /// map.fill(b'.'); // by a plain slice, while nobody else can reach it
    /// let (head, tail) = map.into_view_sync().split_at(50)?;
    /// std::thread::spawn(move || tail.write_all_at(b"tail", 0)).join().unwrap()?;
    /// assert_eq!(head.load::<u8>(49)?, b'.');
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "the view is in the returned value"]
    pub fn into_view_sync(self) -> View<Shared> {
        self.mapping().let_others_in();
        // SAFETY: a `Shared` view asks for no more than disjointness, which an `Exclusive` one has [V2].
        unsafe { self.retype() }
    }

    /// Makes the pages of the mapping read-only and this view an [`Mmap`](crate::Mmap).
    ///
    /// Bytes written before can still be flushed. [`make_mut`](View::make_mut) goes back, and
    /// [`assume_exclusive`](View::assume_exclusive) where that is refused. Waits for a background flush of the mapping.
    ///
    /// # Errors
    ///
    /// The view is in the error, unharmed.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live: protection is a matter of whole
    ///   pages, which two views may share. [`freeze`](Self::freeze) has no such condition.
    /// - The error of `mprotect` (`VirtualProtect` on Windows).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapMut, Protection};
    ///
    /// let map = MmapMut::map_anon(100)?.make_read_only()?;
    /// assert_eq!(map.protection(), Protection::Read);
    /// let mut map = map.make_mut()?;
    /// map[0] = 1;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "mprotect", alias = "VirtualProtect")]
    pub fn make_read_only(self) -> Result<View<Immutable>, ViewError<Self>> {
        Ok(self.protected(Protection::Read)?.freeze())
    }

    /// Makes the pages of the mapping readable and executable, no longer writable, and this view an
    /// [`Mmap`](crate::Mmap).
    ///
    /// On architectures whose instruction caches do not follow what is written (aarch64, riscv64, s390x does), the program
    /// must also synchronise them before it jumps there.
    ///
    /// # Errors
    ///
    /// As [`make_read_only`](Self::make_read_only); [`PermissionDenied`](io::ErrorKind::PermissionDenied) also where the
    /// system forbids memory that has been written to be executed (SELinux, hardened Apple processes, Windows processes
    /// under arbitrary code guard), the file system is mounted `noexec`, or, on Windows, the view is of a file: such pages can
    /// be executed only if they were [mapped](crate::MmapOptions::map_exec) for it.
    #[doc(alias = "mprotect", alias = "VirtualProtect")]
    pub fn make_exec(self) -> Result<View<Immutable>, ViewError<Self>> {
        Ok(self.protected(Protection::ReadExecute)?.freeze())
    }
}

impl View<Immutable> {
    /// Makes the bytes writable again: the way back from [`freeze`](View::freeze), [`make_read_only`](View::make_read_only),
    /// [`make_exec`](View::make_exec) and of [`map_copy_read_only`](crate::MmapOptions::map_copy_read_only).
    ///
    /// Waits for a background flush of the mapping to end.
    ///
    /// # Errors
    ///
    /// The view is in the error, unharmed.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live (a clone, a slice, a piece).
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if nobody vouched, when the mapping was made, that it is the only
    ///   one of its bytes, or others were let in since: a file mapped by [`Mmap::map`](View::map) may be mapped so twice, and writing to the one would
    ///   change the other's slices. [`assume_exclusive`](Self::assume_exclusive) lets the caller vouch.
    /// - The error of `mprotect` (`VirtualProtect` on Windows).
    ///
    /// # Examples
    ///
    /// ```
    /// let frozen = folio::MmapMut::map_anon(10)?.freeze();
    /// let failed = frozen.clone().make_mut().unwrap_err();
    /// assert_eq!(failed.error().kind(), std::io::ErrorKind::ResourceBusy);
    /// drop(failed);
    /// frozen.make_mut()?[0] = 1;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "mprotect", alias = "VirtualProtect")]
    pub fn make_mut(mut self) -> Result<View<Exclusive>, ViewError<Self>> {
        match self.writable_again() {
            // SAFETY: this is the only view, and nobody else touches the bytes: the mapping's claim says so [M2]. The pages
            // have just been made writable, or were [V4].
            Ok(()) => Ok(unsafe { self.retype() }),
            Err(error) => Err(ViewError::new(error, self)),
        }
    }

    /// Checks what `make_mut` needs, and makes the pages writable.
    fn writable_again(&mut self) -> io::Result<()> {
        let mapping = self.only_owner()?;
        if mapping.claim() < Claim::Exclusive {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "nobody vouched that this mapping is the only one of its bytes",
            ));
        }
        mapping.make_writable()
    }

    /// Lets others in: the same bytes as a [`MmapViewSync`](crate::MmapViewSync), which may write them if the pages allow it.
    ///
    /// What is written through it is written to the file, as by any handle or mapping of it. Another [`Mmap`](crate::Mmap) of the file must
    /// not be there then: that nobody writes is what was promised when *that* one was made
    /// ([`MmapOptions::map`](crate::MmapOptions::map)), whichever safe way there is to do it.
    ///
    /// # Errors
    ///
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy), with the view in it, if other views of the mapping live: a clone or
    /// a slice of this one could be handing out `&[u8]` of the same bytes.
    pub fn into_view_sync(mut self) -> Result<View<Shared>, ViewError<Self>> {
        match self.only_owner() {
            Ok(mapping) => {
                mapping.let_others_in();
                // SAFETY: this is the only view, so it shares no byte with another [V2].
                Ok(unsafe { self.retype() })
            }
            Err(error) => Err(ViewError::new(error, self)),
        }
    }
}

impl View<Shared> {
    /// Takes the caller's word that nobody writes the bytes any more: the same bytes as an [`Mmap`](crate::Mmap).
    ///
    /// No system call.
    ///
    /// # Safety
    ///
    /// As long as the returned view, its clones and pieces, and every [`Mmap`](crate::Mmap) or [`MmapMut`](crate::MmapMut) made
    /// of one of them live, nobody else writes the bytes of this view: not through an `unsafe` [`clone`](View::clone) of it, not through another mapping or handle of the file, in
    /// this process or any other. Cutting the file short counts as writing.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapViewSync, Protection};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # std::fs::write(&path, b"key=value")?;
    /// let view = MmapViewSync::open_path(&path, Protection::Read)?;
    /// // SAFETY: the program that writes this file has finished it.
    /// let map = unsafe { view.assume_immutable() };
    /// assert_eq!(map.split(|&byte| byte == b'=').count(), 2);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "the view is in the returned value"]
    pub unsafe fn assume_immutable(self) -> View<Immutable> {
        // SAFETY: the caller vouches for [V3].
        unsafe { self.retype() }
    }
}

impl<A: Access> View<A> {
    /// Takes the caller's word that nobody else touches the bytes any more: the same bytes as a
    /// [`MmapMut`](crate::MmapMut). Pages that cannot be written are made so, which takes the only view of the mapping.
    ///
    /// # Errors
    ///
    /// The view is in the error, unharmed.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if the pages cannot be written and other views of the mapping live.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file was not open for writing, and what else the system's
    ///   call says (`mprotect`, `VirtualProtect` on Windows).
    /// - [`Unsupported`](io::ErrorKind::Unsupported) where flushing needs a file (all but Linux and Android) and the mapping was
    ///   made for reading and keeps none.
    ///
    /// # Safety
    ///
    /// As long as the returned view, its pieces, and every [`Mmap`](crate::Mmap) or [`MmapMut`](crate::MmapMut) made of one of
    /// them live, nobody else reads or writes the bytes of
    /// this view: not through a clone or slice of it, not through another mapping or handle of the file, in this process
    /// or any other.
    pub unsafe fn assume_exclusive(mut self) -> Result<View<Exclusive>, ViewError<Self>> {
        if !self.protection().write() {
            if let Err(error) = self.only_owner().and_then(Mapping::make_writable) {
                return Err(ViewError::new(error, self));
            }
        }
        // SAFETY: the caller vouches for [V2]; the pages can be written [V4], by what stands above.
        Ok(unsafe { self.retype() })
    }
}

impl<A: Unraced> View<A> {
    /// Changes the protection of the whole mapping through its only view.
    fn protected(mut self, protection: Protection) -> Result<Self, ViewError<Self>> {
        let result = self.only_owner().and_then(|mapping| mapping.protect(protection));
        match result {
            Ok(()) => Ok(self),
            Err(error) => Err(ViewError::new(error, self)),
        }
    }
}

impl From<View<Exclusive>> for View<Immutable> {
    /// [`View::freeze`].
    fn from(view: View<Exclusive>) -> View<Immutable> {
        view.freeze()
    }
}

impl From<View<Exclusive>> for View<Shared> {
    /// [`View::into_view_sync`].
    fn from(view: View<Exclusive>) -> View<Shared> {
        view.into_view_sync()
    }
}
