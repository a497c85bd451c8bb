//! What takes the maps of an operating system, and so is nothing that the [heap](super::heap) can do.

#![forbid(unsafe_code)]

use super::{FileRef, Proof};
use std::io;

/// There are no pages, so no huge ones.
pub(crate) fn huge_page_size(_bits: Option<u8>) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "ordinary memory has no huge pages to ask for"))
}

/// A proof would be about the file, of which a mapping here is a copy: the bytes that it holds were read while somebody could
/// still have changed them, for all that is known.
pub(crate) fn proof_of_immutability(_file: FileRef<'_>) -> io::Result<Proof> {
    Ok(Proof::Unknown)
}
