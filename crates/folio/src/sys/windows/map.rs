//! Mappings: sections and their views for files, `VirtualAlloc` for memory that belongs to none.

use super::file::len_of;
use super::{FileRef, address_of, halves, is, page_size, paging, true_or_last_error};
use crate::range::round_up;
use crate::sys::{MapFlags, Source};
use crate::{Advice, Protection};
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{self, NonNull};
use windows_sys::Win32::Foundation::{
    ERROR_COMMITMENT_LIMIT, ERROR_DYNAMIC_CODE_BLOCKED, ERROR_FILE_INVALID, ERROR_INVALID_PARAMETER,
    ERROR_NO_SYSTEM_RESOURCES, ERROR_PRIVILEGE_NOT_HELD,
};
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP, FILE_MAP_COPY, FILE_MAP_EXECUTE, FILE_MAP_READ, FILE_MAP_WRITE, GetLargePageMinimum,
    MEM_COMMIT, MEM_LARGE_PAGES, MEM_RELEASE, MEM_RESERVE, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile,
    PAGE_EXECUTE_READ, PAGE_EXECUTE_WRITECOPY, PAGE_NOACCESS, PAGE_PROTECTION_FLAGS, PAGE_READONLY, PAGE_READWRITE,
    PAGE_WRITECOPY, UnmapViewOfFile, VirtualAlloc, VirtualFree, VirtualProtect,
};

/// What is mapped is the file.
pub(crate) const COPIES: bool = false;

/// What pages of this protection are to the system.
fn page_bits(protection: Protection) -> PAGE_PROTECTION_FLAGS {
    match protection {
        Protection::Read => PAGE_READONLY,
        Protection::ReadWrite => PAGE_READWRITE,
        Protection::ReadCopy => PAGE_WRITECOPY,
        Protection::ReadExecute => PAGE_EXECUTE_READ,
    }
}

/// What the section must allow, and the access of its view. Neither allows more than was asked for, execution least of all:
/// a view has all that its access allows from the start.
fn section_bits(flags: &MapFlags) -> (PAGE_PROTECTION_FLAGS, FILE_MAP) {
    let private = flags.private || flags.protection == Protection::ReadCopy;
    match (flags.protection, private) {
        (Protection::ReadExecute, false) => (PAGE_EXECUTE_READ, FILE_MAP_READ | FILE_MAP_EXECUTE),
        (Protection::ReadExecute, true) => (PAGE_EXECUTE_WRITECOPY, FILE_MAP_COPY | FILE_MAP_EXECUTE),
        (Protection::Read | Protection::ReadWrite | Protection::ReadCopy, true) => (PAGE_WRITECOPY, FILE_MAP_COPY),
        (Protection::Read, false) => (PAGE_READONLY, FILE_MAP_READ),
        (Protection::ReadWrite | Protection::ReadCopy, false) => (PAGE_READWRITE, FILE_MAP_READ | FILE_MAP_WRITE),
    }
}

/// A section object: a file as something that views can be made of. Views do not need it to stay.
pub(super) struct Section(OwnedHandle);

impl Section {
    /// `CreateFileMapping` of a file, as long as the file for a length of 0. A file that is shorter than the length is made
    /// longer, if `bits` allow writing.
    pub(super) fn new(file: FileRef<'_>, bits: PAGE_PROTECTION_FLAGS, len: u64) -> io::Result<Section> {
        let (high, low) = halves(len);
        // SAFETY: the handle is open as long as it is borrowed. Without attributes and without a name the call takes no
        // pointer.
        let section = unsafe { CreateFileMappingW(file.as_raw_handle(), ptr::null(), bits, high, low, ptr::null()) };
        if section.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded: the handle is new and nobody else's, and `CloseHandle` closes it.
        Ok(Section(unsafe { OwnedHandle::from_raw_handle(section) }))
    }

    /// `MapViewOfFile` at an address of the system's choice.
    fn view(&self, access: FILE_MAP, offset: u64, len: usize) -> io::Result<NonNull<u8>> {
        let (high, low) = halves(offset);
        // SAFETY: the handle is open as long as `self` lives. The system places the view where nothing else is, so no memory
        // that Rust knows of is touched.
        let view = unsafe { MapViewOfFile(self.0.as_raw_handle(), access, high, low, len) };
        NonNull::new(view.Value.cast()).ok_or_else(io::Error::last_os_error)
    }
}

/// `MapViewOfFile` of a new section that is as long as the file.
pub(crate) fn map_file(file: FileRef<'_>, offset: u64, len: usize, flags: &MapFlags) -> io::Result<NonNull<u8>> {
    let len = len_in_file(file, offset, len)?;
    let (bits, access) = section_bits(flags);
    let result = Section::new(file, bits, 0).and_then(|section| section.view(access, offset, len));
    let address = match result {
        Ok(address) => address,
        // The file is shorter than it was above. The codes for that say something else (access denied, for one).
        Err(error) => return Err(len_in_file(file, offset, len).err().unwrap_or_else(|| explained(error))),
    };
    if access & FILE_MAP_COPY == FILE_MAP_COPY && flags.protection != Protection::ReadCopy {
        // A private view is writable as it comes.
        // SAFETY: the mapping was made just above with this length, and nobody has its address.
        if let Err(error) = unsafe { protect(address, len, flags.protection) } {
            // SAFETY: as above. The error that is reported is the first one.
            let _ = unsafe { unmap(address, len, Source::File) };
            return Err(error);
        }
    }
    if flags.populate {
        // A hint: pages that cannot be had now are brought in when they are used, or the error comes then.
        let _ = paging::advise(address, len, Advice::WillNeed);
    }
    Ok(address)
}

/// How many bytes of `offset .. offset + len`, a range of whole pages, lie in the file: all of them, or all but a part of the
/// last page. The system rounds the length of a view up again, and what is behind the end of the file is zeros.
fn len_in_file(file: FileRef<'_>, offset: u64, len: usize) -> io::Result<usize> {
    let left = len_of(file)?.saturating_sub(offset);
    // More than the address space has is more than `len` too.
    let left = usize::try_from(left).unwrap_or(usize::MAX).min(len);
    if left > 0 && round_up(left, page_size()).is_none_or(|pages| pages >= len) {
        return Ok(left);
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "Windows maps no pages behind the end of a file: make the file longer first",
    ))
}

/// `VirtualAlloc` of memory that is backed by the page file, all of it accounted for at once.
pub(crate) fn map_anonymous(len: usize, flags: &MapFlags) -> io::Result<NonNull<u8>> {
    if !flags.private {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Windows has no `fork`, whose children would share the memory: map a file",
        ));
    }
    let large = if flags.huge.is_some() { MEM_LARGE_PAGES } else { 0 };
    let kind = MEM_RESERVE | MEM_COMMIT | large;
    // SAFETY: without an address of ours the system takes one where nothing else is, so no memory that Rust knows of is
    // touched.
    let address = unsafe { VirtualAlloc(ptr::null(), len, kind, page_bits(flags.protection)) };
    NonNull::new(address.cast()).ok_or_else(|| {
        let error = io::Error::last_os_error();
        // Of all parameters but those of large pages the length is the only one that can be wrong: more than the address
        // space has.
        let too_long = flags.huge.is_none() && is(&error, ERROR_INVALID_PARAMETER);
        if too_long { io::Error::new(io::ErrorKind::OutOfMemory, error) } else { explained(error) }
    })
}

/// `GetLargePageMinimum`: the one size of large pages that `VirtualAlloc` gives.
pub(crate) fn huge_page_size(bits: Option<u8>) -> io::Result<usize> {
    // SAFETY: the call has no obligations.
    let size = unsafe { GetLargePageMinimum() };
    if !size.is_power_of_two() {
        // Zero: the processor has none.
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no large pages to ask for"));
    }
    match bits {
        Some(bits) if 1usize.checked_shl(u32::from(bits)) != Some(size) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "no such size of huge pages"))
        }
        _ => Ok(size),
    }
}

/// Whether a file of length zero could be mapped if it had bytes: makes the section that it would need. The handle's
/// access is looked at before the length is.
pub(crate) fn probe_mappable(file: FileRef<'_>, _page_size: usize, flags: &MapFlags) -> io::Result<()> {
    match Section::new(file, section_bits(flags).0, 0) {
        Ok(_) => Ok(()),
        // Sections of no bytes cannot be made; all else was right.
        Err(error) if is(&error, ERROR_FILE_INVALID) => Ok(()),
        Err(error) => Err(error),
    }
}

/// `UnmapViewOfFile` or `VirtualFree`: the system knows the length itself.
///
/// # Safety
///
/// `address` is a whole mapping made by this module from this source, and nothing uses its memory any more.
pub(crate) unsafe fn unmap(address: NonNull<u8>, _len: usize, source: Source) -> io::Result<()> {
    match source {
        Source::File => {
            let view = MEMORY_MAPPED_VIEW_ADDRESS { Value: address_of(address) };
            // SAFETY: the caller gives up the view that starts at this address.
            true_or_last_error(unsafe { UnmapViewOfFile(view) })
        }
        Source::Memory => {
            // SAFETY: the caller gives up the memory that `VirtualAlloc` placed at this address; a length of 0 means all of it.
            true_or_last_error(unsafe { VirtualFree(address_of(address), 0, MEM_RELEASE) })
        }
    }
}

/// What is written to a view of a section is in its file (`CreateFileMapping`, remarks on coherence).
pub(crate) fn write_back(_address: NonNull<u8>, _len: usize, _file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    Ok(())
}

/// `VirtualProtect`.
///
/// # Safety
///
/// The pages belong to a mapping made by this module, and nothing in the program relies on the access that is taken
/// away from them.
pub(crate) unsafe fn protect(address: NonNull<u8>, len: usize, protection: Protection) -> io::Result<()> {
    let mut before = 0;
    // SAFETY: the range is whole pages of one mapping (contract); the caller vouches for those who use them. The protection
    // that they had goes to a variable of ours.
    let result =
        true_or_last_error(unsafe { VirtualProtect(address_of(address), len, page_bits(protection), &raw mut before) });
    result.map_err(|error| {
        // A view can be written or executed only if it was mapped for it, and a process can forbid itself to make code.
        let not_allowed = is(&error, ERROR_INVALID_PARAMETER) || is(&error, ERROR_DYNAMIC_CODE_BLOCKED);
        if not_allowed { io::Error::new(io::ErrorKind::PermissionDenied, error) } else { explained(error) }
    })
}

/// There is no such call here.
///
/// # Safety
///
/// None.
pub(crate) unsafe fn remap(
    _address: NonNull<u8>,
    _old_len: usize,
    _new_len: usize,
    _may_move: bool,
) -> io::Result<NonNull<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `VirtualProtect` to no access at all.
///
/// # Safety
///
/// The pages belong to a mapping made by this module, and nothing uses them.
pub(crate) unsafe fn forbid(address: NonNull<u8>, len: usize) -> io::Result<()> {
    let mut before = 0;
    // SAFETY: the range is whole pages of one mapping (contract), which nothing uses (caller). The protection that they had
    // goes to a variable of ours.
    true_or_last_error(unsafe { VirtualProtect(address_of(address), len, PAGE_NOACCESS, &raw mut before) })
}

/// The error under the kind that the same failure has on other systems, where the standard library does not know its code.
/// The code stays inside as the source.
fn explained(error: io::Error) -> io::Error {
    if is(&error, ERROR_COMMITMENT_LIMIT) || is(&error, ERROR_NO_SYSTEM_RESOURCES) {
        io::Error::new(io::ErrorKind::OutOfMemory, error)
    } else if is(&error, ERROR_PRIVILEGE_NOT_HELD) {
        io::Error::new(io::ErrorKind::PermissionDenied, error)
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Large pages without the right to lock memory were an error of no kind; other systems say what is missing.
    #[test]
    fn failures_have_the_kind_that_they_have_on_other_systems() {
        for (code, kind) in [
            (ERROR_COMMITMENT_LIMIT, io::ErrorKind::OutOfMemory),
            (ERROR_NO_SYSTEM_RESOURCES, io::ErrorKind::OutOfMemory),
            (ERROR_PRIVILEGE_NOT_HELD, io::ErrorKind::PermissionDenied),
        ] {
            let error = explained(io::Error::from_raw_os_error(code.cast_signed()));
            assert_eq!(error.kind(), kind, "{code}");
            let source = error.get_ref().unwrap().downcast_ref::<io::Error>().unwrap();
            assert!(is(source, code), "{source:?}");
        }
    }
}
