//! Another length for a mapping, through its only view.

use super::{Mapping, can_fill};
use crate::Protection;
use crate::fault::Fault;
use crate::fault::lent::Lent;
use crate::options::{mapped_len, out_of_range};
use crate::sys::{self, MapFlags, Source};
use std::io;
use std::ptr::{self, NonNull};

impl Mapping {
    /// Makes the contents `len` bytes long, in place or, if it may, elsewhere. On failure everything is as before.
    ///
    /// Contents of no bytes keep a page, if they have one, so that they can grow again.
    pub(crate) fn remap(&mut self, len: usize, may_move: bool) -> io::Result<()> {
        let mapped = mapped_len(self.lead, len, self.page_size)?;
        if self.mapped == 0 {
            return self.map_first(len);
        }
        let mapped = mapped.max(self.page_size);
        self.within_file(mapped)?;
        let (old, new) = ((self.lead + self.len, self.mapped), (self.lead + len, mapped));
        if mapped != self.mapped {
            self.nothing_set_aside()?;
            if self.guard > 0 {
                return Err(unsupported("memory between guard pages cannot change its length"));
            }
            if mapped > self.mapped && !self.private && !self.shared_file {
                // The memory behind it has the length that it was made with; pages beyond could not be reached.
                return Err(unsupported("memory that is shared with children cannot grow"));
            }
            // Neither a handler nor anybody else may take the old pages for ours from here on.
            let watched = self.watch.take().is_some();
            let lent = self.end_lending();
            match self.exchange(mapped, may_move) {
                Ok(base) => (self.base, self.mapped) = (base, mapped),
                Err(error) => {
                    self.lend_again(lent, watched);
                    return Err(error);
                }
            }
            self.len = len;
            self.locks.follow(self, old, new);
            if watched {
                self.fill_lost_pages()?;
            }
        } else {
            // What is behind the new end is not handed over later.
            self.write_back()?;
            self.len = len;
            self.locks.follow(self, old, new);
        }
        Ok(())
    }

    /// Gives the first bytes to a mapping that has none.
    fn map_first(&mut self, len: usize) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        let lead = self.file_offset % sys::granularity().max(self.page_size) as u64;
        let file_offset = self.file_offset - lead;
        let lead = usize::try_from(lead).map_err(|_| out_of_range())?;
        let mapped = mapped_len(lead, len, self.page_size)?;
        if self.source == Source::File && self.file.is_none() {
            return Err(unsupported("an empty mapping that keeps no file has nothing to grow from"));
        }
        if self.zero_fill {
            can_fill()?;
        }
        let before = (self.file_offset, self.lead);
        (self.file_offset, self.lead) = (file_offset, lead);
        let base = self.within_file(mapped).and_then(|()| self.map_again(mapped, self.protection));
        match base {
            Ok(base) => {
                (self.base, self.mapped, self.len) = (base, mapped, len);
                if self.zero_fill { self.fill_lost_pages() } else { Ok(()) }
            }
            Err(error) => {
                (self.file_offset, self.lead) = before;
                Err(error)
            }
        }
    }

    /// Maps the same bytes, or as many zeros, a second time.
    fn map_again(&self, mapped: usize, protection: Protection) -> io::Result<NonNull<u8>> {
        let huge = self.source == Source::Memory && self.page_size > sys::page_size();
        let flags = MapFlags {
            protection,
            private: self.private,
            populate: false,
            no_reserve: false,
            stack: false,
            huge: huge.then(|| u8::try_from(self.page_size.trailing_zeros()).ok()),
        };
        let base = match &self.file {
            _ if self.source == Source::Memory => sys::map_anonymous(mapped, &flags)?,
            Some((file, _)) => sys::map_file(sys::file_ref(file), self.file_offset, mapped, &flags)?,
            None => return Err(unsupported("the mapping keeps no file to map anew (MmapOptions::keep_file)")),
        };
        if self.no_core_dump {
            if let Err(error) = sys::extras::leave_out_of_dumps(base, mapped) {
                // SAFETY: mapped above with this length, from this source, and nobody has its address. What failed first is
                // what is reported.
                let _ = unsafe { sys::unmap(base, mapped, self.source) };
                return Err(error);
            }
        }
        Ok(base)
    }

    /// Refuses what reaches past the offsets that files can have.
    fn within_file(&self, mapped: usize) -> io::Result<()> {
        let end = self.file_offset.checked_add(mapped as u64);
        if end.is_none_or(|end| i64::try_from(end).is_err()) { Err(out_of_range()) } else { Ok(()) }
    }

    /// Refuses to go on with a page that stands in zeros: it would stay behind.
    fn nothing_set_aside(&self) -> io::Result<()> {
        let first = self.lent.get().and_then(|lent| Some((lent, lent.first_lost(0..self.mapped / self.page_size)?)));
        match first {
            None => Ok(()),
            Some((lent, page)) => {
                let offset = lent.extent().start_of(page).saturating_sub(self.base.as_ptr().addr() + self.lead);
                Err(io::Error::other(Fault { offset }))
            }
        }
    }

    /// Puts back what lends slices of this mapping.
    fn lend_again(&mut self, lent: Option<Box<Lent>>, watched: bool) {
        if let Some(lent) = lent {
            self.lent.get_or_init(|| lent);
        }
        if watched {
            self.watch();
        }
    }

    /// Exchanges the range for one of `mapped` bytes with the same contents, as far as they go.
    fn exchange(&mut self, mapped: usize, may_move: bool) -> io::Result<NonNull<u8>> {
        // The system cannot make a mapping of huge pages longer (mm/mremap.c of Linux).
        let stiff = self.page_size > sys::page_size() && mapped > self.mapped;
        if !stiff {
            // SAFETY: the range is a mapping of ours [M1], and `&mut self` is that of its only view, so nobody uses an
            // address in it.
            match unsafe { sys::remap(self.base, self.mapped, mapped, may_move) } {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                result => return result,
            }
        }
        if may_move { self.move_by_hand(mapped) } else { Err(unsupported("the system cannot do this in place")) }
    }

    /// What `mremap` does, for systems without it: another mapping with the same contents.
    fn move_by_hand(&mut self, mapped: usize) -> io::Result<NonNull<u8>> {
        if self.locks.any() {
            return Err(unsupported("pages that are locked cannot be moved by this system"));
        }
        let memory = self.source == Source::Memory;
        if self.private != memory {
            return Err(unsupported(
                "neither can the system do this, nor can what was written be moved to another mapping",
            ));
        }
        self.write_back()?;
        let base = self.map_again(mapped, if memory { Protection::ReadWrite } else { self.protection })?;
        let moved = self.fill(base, mapped).and_then(|()| {
            // SAFETY: the range is what the backend mapped from this source [M1], and nobody uses it (see `exchange`).
            unsafe { sys::unmap(self.base, self.mapped, self.source) }
        });
        match moved {
            Ok(()) => Ok(base),
            Err(error) => {
                // SAFETY: mapped above with this length, from this source, and nobody has its address. What failed first is
                // what is reported.
                let _ = unsafe { sys::unmap(base, mapped, self.source) };
                Err(error)
            }
        }
    }

    /// Copies memory that belongs to no file to the new range, and has that allow what the old one does.
    fn fill(&self, base: NonNull<u8>, mapped: usize) -> io::Result<()> {
        if self.source == Source::File {
            return Ok(());
        }
        // SAFETY: both ranges are at least that long, mapped, readable and the new one writable [M1]; they are two mappings,
        // so they do not overlap, and nobody else uses either.
        unsafe { ptr::copy_nonoverlapping(self.base.as_ptr(), base.as_ptr(), self.mapped.min(mapped)) };
        if self.protection == Protection::ReadWrite {
            return Ok(());
        }
        // SAFETY: the new range is whole pages that nobody uses yet.
        unsafe { sys::protect(base, mapped, self.protection) }
    }
}

fn unsupported(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, text)
}

#[cfg(all(test, unix))]
mod tests {
    use crate::{MmapOptions, MmapViewSync, Protection};
    use std::io::{ErrorKind, Write};

    /// Has the mapping of a view be moved as on systems that have no call for it.
    fn move_by_hand(view: &mut MmapViewSync, mapped: usize) -> std::io::Result<()> {
        view.by_hand(|mapping| {
            let base = mapping.move_by_hand(mapped)?;
            (mapping.base, mapping.mapped, mapping.len) = (base, mapped, mapped);
            Ok(())
        })
    }

    #[test]
    fn what_was_written_moves_along_without_a_call_of_the_system() {
        let page = crate::page_size();
        let mut memory = MmapViewSync::anonymous(2 * page).unwrap();
        memory.store(page, 7_u8).unwrap();
        memory.set_protection(Protection::Read).unwrap();
        move_by_hand(&mut memory, 4 * page).unwrap();
        assert_eq!((memory.load::<u8>(page).unwrap(), memory.load::<u8>(3 * page).unwrap()), (7, 0));
        assert_eq!(memory.store(0, 1_u8).unwrap_err().kind(), ErrorKind::PermissionDenied);

        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![9; 4 * page]).unwrap();
        let mut kept = MmapOptions::new().len(page).keep_file().map_view(&file, Protection::ReadWrite).unwrap();
        kept.store(0, 7_u8).unwrap();
        move_by_hand(&mut kept, 4 * page).unwrap();
        assert_eq!((kept.load::<u8>(0).unwrap(), kept.load::<u8>(4 * page - 1).unwrap()), (7, 9));

        for (protection, keep) in [(Protection::ReadCopy, true), (Protection::Read, false)] {
            let mut options = MmapOptions::new();
            if keep {
                options.keep_file();
            }
            let mut other = options.len(page).map_view(&file, protection).unwrap();
            assert_eq!(move_by_hand(&mut other, 4 * page).unwrap_err().kind(), ErrorKind::Unsupported);
            assert_eq!(other.load::<u8>(page - 1).unwrap(), 9);
        }
    }
}
