//! Memory-mapped files and memory: owned, thread-safe views that can be split at any byte, survive truncated files, and
//! flush durably.
//!
//! # Three promises
//!
//! **You can split it.** A view owns its part of the mapping: it is `'static`, can be split at any byte, sent to other
//! threads, narrowed and rejoined. Every piece has all the operations on its own bytes, and the mapping goes when its last
//! piece goes. No lock, no copy, no further mapping in the kernel.
//!
//! ```
//! use folio::{MmapViewSync, Protection};
//! use std::thread;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("data");
//! # std::fs::write(&path, [0; 4 * 1000])?;
//! let view = MmapViewSync::open_path(&path, Protection::ReadWrite)?;
//! let writers: Vec<_> = view
//!     .into_chunks(1000)?
//!     .zip(b'a'..)
//!     .map(|(piece, letter)| {
//!         thread::spawn(move || {
//!             piece.write_all_at(&[letter; 1000], 0)?;
//!             piece.flush() // this piece's bytes are on the disk when it says so
//!         })
//!     })
//!     .collect();
//! for writer in writers {
//!     writer.join().unwrap()?;
//! }
//! assert_eq!(std::fs::read(&path)?[2999..3001], *b"cd");
//! # std::io::Result::Ok(())
//! ```
//!
//! **It survives.** A file that somebody cuts short under the mapping, a full disk behind a hole, a failing medium: by
//! checked access each is an [`std::io::Error`] that says which byte could not be reached ([`Fault`]), not a signal that
//! ends the process.
//!
//! ```
//! use folio::{Fault, MmapViewSync, Protection};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("data");
//! let view = MmapViewSync::create_new(&path, 4 * folio::page_size())?;
//! # // Windows refuses that.
//! # if cfg!(windows) { return std::io::Result::Ok(()) }
//! std::fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?;
//!
//! let error = view.write_all_at(b"too late", 100).unwrap_err();
//! assert_eq!(Fault::of(&error).map(|fault| fault.offset), Some(100));
//! # std::io::Result::Ok(())
//! ```
//!
//! **Flushed means flushed.** [`flush`](View::flush) returns when the bytes are on stable storage, whichever system it is (on FreeBSD,
//! OpenBSD, DragonFly and illumos as far as the file system's `fsync` goes);
//! [`flush_async`](View::flush_async) really starts the write; a failed flush is not forgotten by the next one.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("log");
//! // Real blocks on the disk: if it is full, this is where you hear of it.
//! let log = folio::MmapViewSync::create_new(&path, 1 << 20)?;
//! log.write_all_at(b"first entry", 0)?;
//! log.flush_async()?; // on its way
//! log.flush()?; // there
//! # std::io::Result::Ok(())
//! ```
//!
//! # Who else may touch the bytes?
//!
//! One generic type, [`View`], under three names that answer this question, and so say which access is sound:
//!
//! | name | who else | access | made by |
//! |---|---|---|---|
//! | [`MmapViewSync`] | anybody, other processes too | checked copies, by `&self`; plain slices are `unsafe` | safe constructors |
//! | [`MmapMut`] | nobody | `&mut [u8]`; checked copies | `unsafe` for a file, safe for private memory |
//! | [`Mmap`] | readers only | `&[u8]`, `Clone`, owned slices | `unsafe` for a file, safe where the system proves it or by [`freeze`](View::freeze) |
//!
//! ```
//! use folio::{Mmap, MmapMut};
//!
//! # let mut file = tempfile::tempfile()?;
//! # std::io::Write::write_all(&mut file, b"key=value")?;
//! // SAFETY: nobody writes this file.
//! let map = unsafe { Mmap::map(&file)? };
//! assert_eq!(map.iter().position(|&byte| byte == b'='), Some(3)); // a slice, with all that slices have
//! let value: Mmap = map.slice(4..); // owned, 'static, and a clone away from the next thread
//! drop(map);
//! assert_eq!(&value[..], b"value");
//!
//! let mut scratch = MmapMut::map_anon(1 << 20)?; // memory of nobody else: safe
//! scratch[..5].copy_from_slice(&value);
//! # std::io::Result::Ok(())
//! ```
//!
//! Mapping a file is not undefined behaviour; a `&[u8]` of memory that others change is. So what can be safe is safe, and
//! `unsafe` stands where somebody has to vouch for others:
//!
//! 1. **Checked access** is safe, whatever happens to the file. A closure can be lent a slice that survives the same
//!    ([`with_slice`](View::with_slice)); that nobody writes meanwhile is for the caller to say.
//! 2. **Slices of private memory, of sealed files** are safe: nobody else can touch them. [`seal`](View::seal) makes such a file,
//!    and [`map_if_safe`](MmapOptions::map_if_safe) asks the system whether one is (see [`shm`]).
//! 3. **Slices of other files** are `unsafe` to get. Even where the promise holds, touching a page that is lost ends the
//!    process by a signal (`SIGBUS`), and a page of a hard-mounted network share that is gone waits in the kernel.
//!
//! # Pages
//!
//! Every view has the map's own operations, on exactly the pages that hold its bytes: [`advise`](View::advise) gives hints,
//! [`populate_read`](View::populate_read) brings pages in and says which is lost, [`lock`](View::lock) keeps them in memory, and
//! [`residency`](View::residency) counts those that are. [`MmapMut::discard`](View::discard) gives memory back.
//!
//! # Platforms
//!
//! Linux and Android, macOS and its relatives, the BSDs and illumos, and Windows (10 and later) have a backend of their own.
//! On a platform without one, WebAssembly for one, a mapping is a copy of the file in ordinary memory: a flush writes back what
//! has changed, and so does the end of the mapping. `RUSTFLAGS="--cfg folio_heap"` chooses that on any platform.
//!
//! [`platform`] says what is called and relied on where, what each system cannot do, and what programs with handlers of signals should
//! know. [`migration`] is for who comes from memmap2, `memmap` 0.5, an `Arc<Mmap>` and a range, or `bytes`.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `bytes` | `From<Mmap> for bytes::Bytes`, without a copy |
//! | `stable_deref_trait` | `StableDeref` for [`Mmap`] and [`MmapMut`] |
//!
//! None is on by default; without them the library depends on the system's interface crate alone.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What each backend has is there on every platform; only features are worth a mark.
#![cfg_attr(docsrs, doc(auto_cfg(hide(unix, windows))))]

mod access;
mod background;
mod durability;
mod error;
pub mod fault;
mod flushes;
#[cfg(all(test, folio_shuttle))]
mod interleavings;
mod mapping;
mod options;
mod paging;
mod protection;
mod range;
#[cfg(unix)]
#[cfg_attr(docsrs, doc(cfg(unix)))]
pub mod shm;
mod sync;
mod sys;
mod view;

pub use access::{AtomicScalar, Reader, Scalar, Writer};
pub use error::ViewError;
pub use fault::Fault;
pub use options::MmapOptions;
pub use paging::{Advice, LockGuard, PopulateSteps, Residency, ResidentRanges, UncheckedAdvice};
pub use protection::Protection;
pub use sys::AsFile;
pub use view::{Access, Exclusive, Immutable, IntoChunks, Mmap, MmapMut, MmapViewSync, Shared, Unraced, View};

/// Bytes per page of the system's memory: the unit in which it maps, protects and flushes. A power of two; 4 KiB on most
/// machines, 16 KiB on Apple's and 64 KiB on some servers. Mappings of huge pages have larger ones.
///
/// # Examples
///
/// ```
/// assert!(folio::page_size().is_power_of_two());
/// ```
#[must_use]
pub fn page_size() -> usize {
    sys::page_size()
}

#[cfg(all(doc, not(doctest)))]
#[doc = include_str!("../PLATFORM.md")]
pub mod platform {}

#[cfg(all(doc, not(doctest)))]
#[doc = include_str!("../MIGRATION.md")]
pub mod migration {}

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
