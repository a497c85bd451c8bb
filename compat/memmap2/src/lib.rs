//! The API of `memmap2` 0.9 over [folio](https://docs.rs/folio), for programs that want to try folio without a change.
//!
//! ```toml
//! [patch.crates-io]
//! memmap2 = { git = "https://example.org/folio.git" } # wherever folio's repository is for you
//! ```
//!
//! followed by `cargo update -p memmap2` makes every crate of a program that asks for `memmap2 = "0.9"` use this one.
//! Everything that memmap2 0.9.12 offers is here, under the same names and with the same types; a program that compiles with it
//! compiles with this. What is better, what is different and what this API keeps anybody from mending is listed, with a
//! test for each line, in `compat/DIFFERENCES.md`; what to write instead of it in `MIGRATION.md`.
//!
//! ```
//! use memmap2::Mmap;
//! use std::fs::File;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("data");
//! # std::fs::write(&path, b"key=value")?;
//! let file = File::open(&path)?;
//! // SAFETY: nobody writes this file or cuts it short while the map lives.
//! let map = unsafe { Mmap::map(&file)? };
//! assert_eq!(&map[4..], b"value");
//! # std::io::Result::Ok(())
//! ```
//!
//! # What is better than it looks
//!
//! - `flush` is durable on Apple's systems too, [`flush_async`](MmapMut::flush_async) really starts the write, and a failed flush is
//!   not forgotten by the next.
//! - Advice cannot reach past the end of a map, and huge pages are given back.
//! - [`Mmap::make_mut`] does not write under the slices of another map of the same bytes in this process (Linux), and a `make_*`
//!   that fails gives the map back ([`FailedConversion`]).
//! - [`map_if_safe`](MmapOptions::map_if_safe) believes fs-verity only where the kernel itself answers, and has brought sealed memory in
//!   before it returns.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `stable_deref_trait` | `StableDeref` for [`Mmap`] and [`MmapMut`], as in memmap2 |
//! | `zero-fill` | every map of a file survives the loss of its pages: they read as zeros |
//!
//! ## `zero-fill`
//!
//! A program dies by SIGBUS when a file that it has mapped is cut short, wherever in it the slice is touched that happens to
//! lie behind the new end. With this feature, for which one crate of the program suffices, such pages read as zeros, in all maps of files that are made
//! through this crate, on Linux and Android, on x86-64 and aarch64 (elsewhere the feature does nothing). It installs
//! [folio's fault handler](folio::fault). From the first lost page on every `flush` of that map fails. A thread that blocks `SIGBUS` or
//! `SIGSEGV` dies of a lost page all the same, unless it calls [`prepare_thread`](folio::fault::prepare_thread).
//!
//! It is for the one who builds the program to decide, not for a library: bytes that a slice has shown may become zero at
//! any moment, so nothing in the program may rely, for memory safety, on having checked a byte of a map earlier (`&str` without a
//! copy, archives that are validated once). A file that is cut short while a map shows it breaks the promise that
//! `unsafe` mapping asked for in any case; this turns the end of the process into wrong data, which a checksum must find.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(unix)]
mod advice;
mod desc;
mod error;
mod lock;
mod mmap;
mod mmap_mut;
mod options;
mod others;
mod raw;
#[cfg(target_os = "linux")]
mod remap;

#[cfg(unix)]
pub use advice::{Advice, UncheckedAdvice};
pub use desc::{MmapAsRawDesc, MmapRawDescriptor};
pub use error::{FailedConversion, MapIfSafeError};
pub use mmap::Mmap;
pub use mmap_mut::MmapMut;
pub use options::MmapOptions;
pub use raw::MmapRaw;
#[cfg(target_os = "linux")]
pub use remap::RemapOptions;

/// The examples of the page on moving to folio, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../MIGRATION.md")]
pub struct Migration;
