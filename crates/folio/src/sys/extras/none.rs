//! Systems that have none of this.

use super::lacks;
use crate::sys::{File, FileRef, MapFlags};
use std::io;
use std::ptr::NonNull;

const NO_SEALS: &str = "this system has no memory that can be sealed";

#[cfg(unix)]
pub(crate) fn memory_file(_name: &std::ffi::CStr) -> io::Result<File> {
    Err(lacks(NO_SEALS))
}

/// Nobody asks: a mapping is a copy, of which a seal says nothing.
#[cfg(all(folio_heap, any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
#[allow(dead_code, reason = "called by a backend that is not used there")]
pub(crate) fn is_sealed(_file: FileRef<'_>) -> Option<bool> {
    None
}

pub(crate) fn check_sealable(_file: FileRef<'_>) -> io::Result<()> {
    Err(lacks(NO_SEALS))
}

pub(crate) fn seal(_file: FileRef<'_>) -> io::Result<()> {
    Err(lacks(NO_SEALS))
}

pub(crate) unsafe fn map_file_over(
    _address: NonNull<u8>,
    _len: usize,
    _file: FileRef<'_>,
    _offset: u64,
    _flags: &MapFlags,
) -> io::Result<()> {
    Err(lacks(NO_SEALS))
}

pub(crate) fn secret_file() -> io::Result<File> {
    Err(lacks("this system has no secret memory"))
}

pub(crate) fn leave_out_of_dumps(_address: NonNull<u8>, _len: usize) -> io::Result<()> {
    Err(lacks("this system leaves no pages out of core dumps"))
}

pub(crate) fn mseal(_address: NonNull<u8>, _len: usize) -> io::Result<()> {
    Err(lacks("this system cannot make a mapping final"))
}
