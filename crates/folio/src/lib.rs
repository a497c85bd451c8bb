//! Memory-mapped files and memory.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod background;
mod durability;
mod error;
pub mod fault;
mod mapping;
mod options;
mod protection;
mod range;
mod sys;
mod view;

pub use access::{Reader, Scalar};
pub use error::ViewError;
pub use fault::Fault;
pub use options::MmapOptions;
pub use protection::Protection;
pub use sys::AsFile;
pub use view::{Access, Exclusive, Immutable, IntoChunks, Mmap, MmapMut, MmapViewSync, Shared, Unraced, View};

/// Bytes per page of the system's memory: the unit in which it maps, protects and flushes. A power of two; 4 KiB on most
/// machines, 16 KiB on Apple's and 64 KiB on some servers. Mappings of huge pages have larger ones.
#[must_use]
pub fn page_size() -> usize {
    sys::page_size()
}
