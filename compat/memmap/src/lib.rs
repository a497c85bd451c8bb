//! The API of `memmap` 0.5 over [folio](https://docs.rs/folio), for programs that have stayed with it because of
//! [`MmapViewSync`], which later versions do not have and folio carries on.
//!
//! ```toml
//! [patch.crates-io]
//! memmap = { git = "https://example.org/folio.git" } # wherever folio's repository is for you
//! ```
//!
//! followed by `cargo update -p memmap` makes every crate of a program that asks for `memmap = "0.5"` use this one. What is
//! better and what is different is listed, with a test for each line, in `compat/DIFFERENCES.md`; what to write instead of
//! this API in `MIGRATION.md`.
//!
//! ```
//! use memmap::{Mmap, Protection};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("data");
//! # std::fs::write(&path, [0; 100])?;
//! let view = Mmap::open_path(&path, Protection::ReadWrite)?.into_view_sync();
//! let (mut head, tail) = view.split_at(60)?;
//! let reader = std::thread::spawn(move || tail.len());
//! // SAFETY: nobody else touches these bytes.
//! unsafe { head.as_mut_slice() }.fill(7);
//! head.flush()?;
//! assert_eq!((reader.join().unwrap(), std::fs::read(&path)?[59]), (40, 7));
//! # std::io::Result::Ok(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod mmap;
mod protection;
mod view;
mod view_sync;

pub use mmap::{Mmap, MmapOptions};
pub use protection::Protection;
pub use view::MmapView;
pub use view_sync::MmapViewSync;
