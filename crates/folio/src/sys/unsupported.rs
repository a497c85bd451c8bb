//! What takes the maps of an operating system, and so is nothing that the [heap](super::heap) can do.

pub(crate) use super::no_paging as paging;

use super::{FileRef, Proof};
use std::io;
use std::ptr::NonNull;

/// There are no pages, so no huge ones.
pub(crate) fn huge_page_size(_bits: Option<u8>) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "ordinary memory has no huge pages to ask for"))
}

/// A proof would be about the file, of which a mapping here is a copy: the bytes that it holds were read while somebody could
/// still have changed them, for all that is known.
pub(crate) fn proof_of_immutability(_file: FileRef<'_>) -> io::Result<Proof> {
    Ok(Proof::Unknown)
}

/// There is no such call: what is to be longer is made anew.
///
/// # Safety
///
/// None: nothing is done.
pub(crate) unsafe fn remap(
    _address: NonNull<u8>,
    _old_len: usize,
    _new_len: usize,
    _may_move: bool,
) -> io::Result<NonNull<u8>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "ordinary memory has the length that it was made with"))
}

/// Ordinary memory can be reached, whoever has its address.
///
/// # Safety
///
/// None: nothing is done.
pub(crate) unsafe fn forbid(_address: NonNull<u8>, _len: usize) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "ordinary memory has no guard pages"))
}
