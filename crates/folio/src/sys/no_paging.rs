//! The paging part of the contract, for platforms whose memory has no pages that anybody could speak of.

use super::{Cached, FileId, FileRef, NotLocked, Populate, Populated};
use crate::paging::{Advice, UncheckedAdvice};
use std::io;
use std::ptr::NonNull;

pub(crate) const DISCARD_ZEROES: bool = false;

pub(crate) fn knows(_advice: Advice) -> bool {
    false
}

pub(crate) fn knows_unchecked(_advice: UncheckedAdvice) -> bool {
    false
}

pub(crate) fn advise(_address: NonNull<u8>, _len: usize, _advice: Advice) -> io::Result<bool> {
    Ok(false)
}

pub(crate) unsafe fn advise_unchecked(_address: NonNull<u8>, _len: usize, _advice: UncheckedAdvice) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Ordinary memory is all there. Touching it would be no better: what else lies in a page may be somebody's `&mut [u8]`.
pub(crate) fn populate(_address: NonNull<u8>, _len: usize, _how: Populate) -> io::Result<Populated> {
    Ok(Populated::Done)
}

pub(crate) fn lock(_address: NonNull<u8>, _len: usize) -> Result<(), NotLocked> {
    Err(NotLocked::Refused(io::ErrorKind::Unsupported.into()))
}

pub(crate) fn unlock(_address: NonNull<u8>, _len: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// An allocator takes no part of an allocation back. What is to be zeros is zeros by now, and that is all.
pub(crate) unsafe fn discard(_address: NonNull<u8>, _len: usize) -> io::Result<()> {
    Ok(())
}

pub(crate) fn resident(_address: NonNull<u8>, _len: usize, _pages: &mut [u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn tells_residency(_address: NonNull<u8>, _file: Option<FileRef<'_>>, _id: Option<FileId>) -> bool {
    true
}

pub(crate) fn cached(_file: FileRef<'_>, _offset: u64, _len: u64) -> io::Result<Option<Cached>> {
    Ok(None)
}
