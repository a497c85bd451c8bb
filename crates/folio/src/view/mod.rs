//! Views: the range algebra, the conversions, and what each kind of access adds. No operating system below this folder.

mod algebra;
mod chunks;
mod convert;
mod exclusive;
mod immutable;
mod raw;
mod remap;
mod seal;
mod shared;
mod slices;

pub use chunks::IntoChunks;
pub use exclusive::MmapMut;
pub use immutable::Mmap;
pub(crate) use raw::sealed;
pub use raw::{Access, Exclusive, Immutable, Shared, Unraced, View};
pub use shared::MmapViewSync;
