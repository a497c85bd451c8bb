//! The one routine that maps files, the one that maps anonymous memory, and the checks that both go through.

use super::MmapOptions;
use super::allocate::Allocation;
use crate::Protection;
use crate::error::invalid_input;
use crate::mapping::{Claim, Mapping, Parts};
use crate::range::round_up;
use crate::sys::{self, FileKind, MapFlags, Source};
use std::io;

impl MmapOptions {
    /// Maps a file of the user. It has been asked for its handle once, and is not asked again: it might answer with another.
    pub(super) fn file(
        &self,
        file: sys::FileRef<'_>,
        protection: Protection,
        private: bool,
        claim: Claim,
    ) -> io::Result<Mapping> {
        let flush_needs_it = sys::KEEPS_FILE && !private && protection.write_shared();
        let keep = self.keep_file || flush_needs_it;
        self.map_file(file, protection, private, claim, |mapping| {
            // Only now: closing a duplicate takes the process's locks from the file.
            if keep { Ok(mapping.keep(sys::duplicate(file)?)) } else { Ok(mapping) }
        })
    }

    /// Maps a file, with real blocks if they are asked for. `finish` is the last step that can fail: after it they stay.
    pub(super) fn map_file(
        &self,
        file: sys::FileRef<'_>,
        protection: Protection,
        private: bool,
        claim: Claim,
        finish: impl FnOnce(Mapping) -> io::Result<Mapping>,
    ) -> io::Result<Mapping> {
        if self.guard_pages || self.secret {
            return Err(invalid_input("guard pages and secrecy are for memory that belongs to no file"));
        }
        let private = private || protection == Protection::ReadCopy;
        let info = sys::inspect(file)?;
        self.check_kind(info.kind)?;
        if !self.allocate {
            return finish(self.map_range(file, &info, protection, private, claim)?);
        }
        if private || !protection.write_shared() || info.kind != FileKind::Regular {
            return Err(invalid_input("blocks can only be allocated for a mapping that writes to a regular file"));
        }
        let len = self.len_in(info.len, true)?;
        // Whether the file can be mapped so at all, before anything is done to it.
        sys::probe_mappable(file, info.page_size, &self.flags_for(protection, private))?;
        let allocation = Allocation::new(file, &info, self.offset, len as u64)?;
        let mapping = finish(self.map_range(file, &sys::inspect(file)?, protection, private, claim)?)?;
        allocation.keep();
        Ok(mapping)
    }

    /// Maps a file that is known to be of a kind that can be mapped.
    fn map_range(
        &self,
        file: sys::FileRef<'_>,
        info: &sys::FileInfo,
        protection: Protection,
        private: bool,
        claim: Claim,
    ) -> io::Result<Mapping> {
        let len = self.len_in(info.len, self.allow_past_end || info.kind == FileKind::Other)?;
        let granularity = sys::granularity().max(info.page_size);
        let lead = self.offset % granularity as u64;
        let file_offset = self.offset - lead;
        let lead = usize::try_from(lead).map_err(|_| out_of_range())?;
        let flags = self.flags_for(protection, private);

        let (range, lead) = if len == 0 {
            // On a file system of huge pages the probe would take one, and lengthen the file.
            if info.page_size == sys::page_size() {
                sys::probe_mappable(file, info.page_size, &flags)?;
            }
            (None, 0)
        } else {
            let mapped = mapped_len(lead, len, info.page_size)?;
            if file_offset.checked_add(mapped as u64).is_none_or(|end| i64::try_from(end).is_err()) {
                return Err(out_of_range());
            }
            (Some((sys::map_file(file, file_offset, mapped, &flags)?, mapped)), lead)
        };
        // SAFETY: the backend has just made this mapping of whole pages, in which `lead + len` bytes lie, or there is none.
        // The claim is the caller's: `Shared` holds always, private memory of a file and the others by the word of the
        // `unsafe` function that asks for them.
        let mapping = unsafe {
            Mapping::new(Parts {
                range,
                source: Source::File,
                lead,
                len,
                page_size: info.page_size,
                protection,
                writable: if private { Protection::ReadCopy } else { Protection::ReadWrite },
                claim,
                private,
                shared_file: !private,
                file_offset: if range.is_some() { file_offset } else { self.offset },
            })
        };
        let mapping = mapping.showing(info.id)?;
        let mapping = if self.no_core_dump { mapping.left_out_of_dumps()? } else { mapping };
        if self.zero_fill { mapping.zero_fill() } else { Ok(mapping) }
    }

    /// Refuses what is no regular file, unless it was asked for and its length is given.
    pub(super) fn check_kind(&self, kind: FileKind) -> io::Result<()> {
        match (kind, self.allow_device, self.len) {
            (FileKind::Other, true, Some(_)) => Ok(()),
            (FileKind::Other, true, None) => Err(invalid_input("a device has no length to go by: one must be given")),
            _ => check_kind(kind),
        }
    }

    /// The flags that files and anonymous memory have in common, for private memory that can be written.
    pub(super) fn flags(&self) -> MapFlags {
        MapFlags {
            populate: self.populate,
            no_reserve: self.no_reserve_swap,
            ..MapFlags::plain(Protection::ReadWrite, true)
        }
    }

    /// The flags for a file.
    fn flags_for(&self, protection: Protection, private: bool) -> MapFlags {
        MapFlags { protection, private, ..self.flags() }
    }

    /// The length of the view in a file of `file_len` bytes, checked.
    fn len_in(&self, file_len: u64, past_end: bool) -> io::Result<usize> {
        let Some(left) = file_len.checked_sub(self.offset).or(past_end.then_some(0)) else {
            return Err(invalid_input("the offset is past the end of the file"));
        };
        let len = match self.len {
            Some(len) => len,
            None => usize::try_from(left).map_err(|_| too_long())?,
        };
        if len as u64 > left && !past_end {
            return Err(invalid_input("the range reaches past the end of the file"));
        }
        // No system has files beyond this (off_t is signed).
        if self.offset.checked_add(len as u64).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(out_of_range());
        }
        checked_len(len)
    }
}

/// Refuses what is no regular file.
pub(super) fn check_kind(kind: FileKind) -> io::Result<()> {
    match kind {
        FileKind::Regular => Ok(()),
        FileKind::Directory => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, "a directory cannot be mapped into memory"))
        }
        FileKind::Other => Err(invalid_input("only regular files can be mapped into memory")),
    }
}

/// Refuses lengths that no slice can have.
pub(crate) fn checked_len(len: usize) -> io::Result<usize> {
    if isize::try_from(len).is_ok() { Ok(len) } else { Err(too_long()) }
}

/// How many bytes to map for `len` bytes of contents after `lead`: whole pages, 0 for no contents.
pub(crate) fn mapped_len(lead: usize, len: usize, page_size: usize) -> io::Result<usize> {
    let end = lead.checked_add(len).ok_or_else(too_long)?;
    checked_len(round_up(end, page_size).ok_or_else(too_long)?)
}

pub(crate) fn out_of_range() -> io::Error {
    invalid_input("offset and length together are out of range")
}

fn too_long() -> io::Error {
    invalid_input("the length is above isize::MAX")
}
