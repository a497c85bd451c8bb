//! Mappings that become final: of memory that is sealed against everybody, or sealed itself against the process's own calls.

use super::{Claim, Mapping};
use crate::Protection;
use crate::error::invalid_input;
use crate::sys::{self, MapFlags, extras};
use std::io;
use std::sync::atomic::Ordering;

impl Mapping {
    /// Whether [`seal`](Self::seal) has a chance, as far as can be told before anything is done.
    pub(crate) fn check_seal(&self) -> io::Result<()> {
        if self.watch.is_some() {
            return Err(invalid_input("memory that cannot change needs no zeros for lost pages"));
        }
        if !self.shared_file {
            return Err(invalid_input("the mapping is none of memory that can be sealed"));
        }
        if self.locks.any() {
            // The mapping that takes the place has new pages, of which none is locked.
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "pages of the mapping are locked: unlock them first",
            ));
        }
        let (file, _) = self.file.as_ref().ok_or_else(no_file)?;
        extras::check_sealable(sys::file_ref(file))?;
        if self.page_size > sys::page_size() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "huge pages cannot be sealed while they are mapped",
            ));
        }
        Ok(())
    }

    /// Seals the memory behind a mapping of it and leaves its pages at their place, for reading. The kept file is let go.
    ///
    /// On failure the mapping is what it was, but for one case: when somebody else sealed the memory meanwhile so that it cannot
    /// be mapped for writing again, the pages are left as they are then, for reading.
    pub(crate) fn seal(&mut self) -> io::Result<()> {
        self.check_seal()?;
        let (file, starts) = self.file.take().ok_or_else(no_file)?;
        let sealed = self.seal_file(sys::file_ref(&file));
        if sealed.is_ok() {
            self.claim = Claim::Immutable;
            self.shared_since.store(false, Ordering::Relaxed);
        } else {
            self.file = Some((file, starts));
        }
        sealed
    }

    fn seal_file(&mut self, file: sys::FileRef<'_>) -> io::Result<()> {
        // The system seals nothing that is mapped for writing, or for reading but shared through a handle that can write. A
        // private mapping for reading is neither, and shows the same bytes: it takes the place now, and can stay.
        let before = self.protection;
        let sealed = self.map_over(file, Protection::Read, true).and_then(|()| extras::seal(file));
        if sealed.is_err() {
            // If that fails too there is a mapping all the same: the one that has taken the place, or the first one.
            let _ = self.map_over(file, before, false);
        }
        sealed
    }

    /// Maps the range's part of the file again, in its place.
    fn map_over(&mut self, file: sys::FileRef<'_>, protection: Protection, private: bool) -> io::Result<()> {
        if self.mapped > 0 {
            let flags = MapFlags { protection, private, populate: false, no_reserve: true, stack: false, huge: None };
            // SAFETY: the range is a mapping of ours [M1]. References to its bytes borrow a view, views hold the `Arc` of this
            // value, and `&mut self` shows that there is no other one.
            unsafe { extras::map_file_over(self.base, self.mapped, file, self.file_offset, &flags) }?;
        }
        (self.protection, self.private, self.shared_file) = (protection, private, !private);
        self.writable = if private { Protection::ReadCopy } else { Protection::ReadWrite };
        // The pages are new ones: none of them is lost, or elsewhere.
        drop(self.end_lending());
        if self.no_core_dump { self.leave_out_of_dumps() } else { Ok(()) }
    }

    /// Has the system refuse, as long as the process lives, to unmap, replace or protect the range in another way.
    pub(crate) fn mseal(&mut self) -> io::Result<()> {
        if self.watch.is_some() {
            return Err(invalid_input("pages that are lost could not be filled with zeros any more"));
        }
        if let Some(lent) = self.exchanged() {
            if lent.first_lost(0..self.mapped / self.page_size).is_some() {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "a page of the mapping stands in zeros"));
            }
        }
        if self.mapped > 0 && !self.msealed {
            let (base, len) = self.with_guards();
            extras::mseal(base, len)?;
            self.msealed = true;
            // No page of it can be exchanged from here on.
            drop(self.end_lending());
        }
        Ok(())
    }
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the mapping keeps no file to seal (MmapOptions::keep_file)")
}
