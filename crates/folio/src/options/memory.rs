//! The one routine that maps memory which belongs to no file.

use super::MmapOptions;
use super::map::{checked_len, mapped_len};
use crate::Protection;
use crate::error::invalid_input;
use crate::mapping::{Claim, Mapping, Parts};
use crate::paging::Advice;
use crate::sys::{self, MapFlags, Source, extras};
use std::io;
use std::ptr::NonNull;

impl MmapOptions {
    /// Maps anonymous memory: private to this process, or shared with the children that it makes by `fork`. It is of ordinary
    /// pages if there are no huge ones and that will do.
    pub(super) fn anonymous(&self, private: bool) -> io::Result<Mapping> {
        match self.anonymous_of_its_pages(private) {
            Err(_) if self.huge.is_some() && self.or_ordinary => {
                let mapping = MmapOptions { huge: None, ..self.clone() }.anonymous_of_its_pages(private)?;
                if let (first, len @ 1..) = mapping.pages_of(0, mapping.contents().1) {
                    // A hint: without transparent huge pages it is slower, and right all the same.
                    let _ = sys::paging::advise(mapping.address_of(first), len, Advice::HugePage);
                }
                Ok(mapping)
            }
            result => result,
        }
    }

    /// Maps anonymous memory of the pages that were asked for.
    fn anonymous_of_its_pages(&self, private: bool) -> io::Result<Mapping> {
        let len = checked_len(self.len.unwrap_or(0))?;
        if self.allocate {
            return Err(invalid_input("only a file has blocks to allocate"));
        }
        if self.secret && private {
            return Err(invalid_input("secret memory is shared with children made by fork: map_anon_shared"));
        }
        if self.huge.is_some() && (self.guard_pages || self.secret) {
            return Err(invalid_input("huge pages can be neither secret nor guarded"));
        }
        let page_size = match self.huge {
            Some(bits) => sys::huge_page_size(bits)?,
            None => sys::page_size(),
        };
        let flags = MapFlags { private, stack: self.stack, huge: self.huge, ..self.flags() };
        let guard = if self.guard_pages { page_size } else { 0 };
        let range = match mapped_len(0, len, page_size)? {
            0 => None,
            inner => {
                let mapped = mapped_len(guard, inner + guard, page_size)?;
                Some((self.memory(mapped, &flags)?, mapped))
            }
        };
        // SAFETY: the backend has just made this mapping of whole pages, in which a guard and then `len` bytes lie, or there is
        // none. Private memory is `Exclusive` by nature; `Shared` holds always.
        let mapping = unsafe {
            Mapping::new(Parts {
                range,
                source: if self.secret { Source::File } else { Source::Memory },
                lead: if range.is_some() { guard } else { 0 },
                len,
                page_size,
                protection: Protection::ReadWrite,
                writable: Protection::ReadWrite,
                claim: if private { Claim::Exclusive } else { Claim::Shared },
                private,
                shared_file: false,
                file_offset: 0,
            })
        };
        let mapping = if self.guard_pages { mapping.guarded()? } else { mapping };
        if self.no_core_dump { mapping.left_out_of_dumps() } else { Ok(mapping) }
    }

    /// `mapped` bytes of memory.
    fn memory(&self, mapped: usize, flags: &MapFlags) -> io::Result<NonNull<u8>> {
        if !self.secret {
            return sys::map_anonymous(mapped, flags);
        }
        let file = extras::secret_file()?;
        let file = sys::file_ref(&file);
        if mapped as u64 > sys::file_len_limit() {
            return Err(sys::file_too_long());
        }
        sys::set_len(file, mapped as u64)?;
        sys::map_file(file, 0, mapped, &MapFlags { stack: false, ..*flags }).map_err(|error| match error.kind() {
            // What the system says is that it could be tried again (`EAGAIN`, mlock(2)).
            io::ErrorKind::WouldBlock => io::Error::new(
                io::ErrorKind::OutOfMemory,
                "secret memory is locked memory, of which the process may have no more (RLIMIT_MEMLOCK)",
            ),
            _ => error,
        })
    }
}
