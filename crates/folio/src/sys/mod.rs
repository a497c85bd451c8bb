//! The one page to read before touching an operating system, and the one ladder that chooses a backend.
//!
//! # The contract
//!
//! A backend is a thin translation: one system call per function, the error read before anything else happens, and
//! reported as the system gave it. Everything that can be decided without the system is decided above: bounds, zero
//! lengths, rounding to pages, which mapping needs a flush, error texts. So a backend may assume, and never checks
//! again:
//!
//! - every `len` is greater than zero and every range lies inside one mapping made by [`map_file`] or
//!   [`map_anonymous`];
//! - addresses and lengths given to [`protect`], [`flush`], [`start_flush`] and all of [`paging`] are whole pages of that
//!   mapping (its own page size, which is larger than [`page_size`] for huge pages), and those given to [`unmap`] are exactly
//!   what the mapping calls returned and were asked for;
//! - where [`COPIES`] is set, [`flush`] and [`start_flush`] are given the bytes of one view instead, and no byte more;
//! - file offsets given to [`map_file`] are multiples of [`granularity`], and `offset + len` fits an `i64`.
//!
//! What each backend supplies:
//!
//! | name | what it does |
//! |---|---|
//! | [`AsFile`] | the public, sealed bound by which files come in |
//! | [`File`], [`FileRef`] | an owned and a borrowed handle of a file; [`duplicate`] makes the first from the second |
//! | [`open`] | an existing file, open for what a mapping of the given protection needs |
//! | [`page_size`], [`granularity`] | bytes per page; what offsets of mappings must be a multiple of; powers of two |
//! | [`huge_page_size`] | bytes per huge page for the size that [`MmapOptions::huge`](crate::MmapOptions::huge) names |
//! | [`inspect`] | length, kind, page size and identity of an open file |
//! | [`probe_mappable`] | whether an empty file is of a kind that can be mapped at all |
//! | [`map_file`], [`map_anonymous`], [`unmap`], [`protect`] | the calls of those names; `Err` leaves nothing behind |
//! | [`remap`] | another length for a mapping of ours, in place or, if it may, elsewhere; `Unsupported` where there is no such call |
//! | [`forbid`] | takes all access from pages, to make guards of them |
//! | [`flush`], [`start_flush`] | durable, and started: see the durability layer for the promise |
//! | [`starts_through`] | whether [`start_flush`] can use a handle of this file |
//! | [`sync_all`] | file data and all metadata on stable storage |
//! | [`COPIES`], [`write_back`] | whether mappings are copies of the file in memory of the process; hands what was written to the file |
//! | [`KEEPS_FILE`] | whether flushing needs the file's handle, so that writable shared mappings always keep one |
//! | [`on_fork`], [`start_thread`] | for the thread that flushes in the background |
//! | [`allocate`] | real blocks for a range of a file, the file extended if it is shorter, never shrunk |
//! | [`is_at`] | whether a path leads to an open file |
//! | [`file_len_limit`], [`file_too_long`] | how long the process may make a file, and the error for a longer one |
//! | [`write_at`], [`set_len`] | for file systems without the call behind [`allocate`] |
//! | [`proof_of_immutability`] | whether the kernel proves that nobody can change the file |
//! | [`checked_read`], [`checked_write`] | copies between a mapping and a buffer that answer a short count at a fault; the heap, where there are none, has `copy_out` and `copy_in` |
//! | [`CopyState`] | what the steps of one copy by these hand on |
//!
//! And in a module `paging` (a platform without pages takes `no_paging.rs`):
//!
//! | name | what it does |
//! |---|---|
//! | [`advise`](paging::advise), [`knows`](paging::knows) | a hint, and whether it was taken; whether there is one of this name |
//! | [`advise_unchecked`](paging::advise_unchecked), [`knows_unchecked`](paging::knows_unchecked) | the same for what changes or loses bytes, which is a command and fails if it is not obeyed |
//! | [`populate`](paging::populate) | brings pages in, ready to be read or written, and says if one is lost |
//! | [`lock`](paging::lock), [`unlock`](paging::unlock) | keeps pages in memory, and no longer; they need not count |
//! | [`resident`](paging::resident) | which pages are in memory: a byte for each page of [`page_size`], whose lowest bit says so |
//! | [`tells_residency`](paging::tells_residency) | whether [`resident`](paging::resident) can be believed when it says so of all pages of a mapping of a file |
//! | [`cached`](paging::cached) | how many pages of a range of a file are in memory, and in which state |
//! | [`discard`](paging::discard), [`DISCARD_ZEROES`](paging::DISCARD_ZEROES) | gives the memory of private pages back; whether they are zeros then, or may be as before |
//!
//! What only some systems have is in [`extras`], with a ladder of its own: a new platform has none of it until somebody adds it.
//!
//! Growth joins this table with its layer; it gets the same kind of arguments.
//! Windows fits the same shapes: [`granularity`] is 64 KiB there and [`page_size`] 4 KiB, [`KEEPS_FILE`] is true,
//! [`map_file`] refuses pages behind the end of the file, and [`unmap`] makes one call for a file and another for memory, which
//! is why it is told the [`Source`].
//!
//! To add a platform: write a module with these names, add it to the ladder below, and run `cargo xtask cross`.

use crate::Protection;

pub(crate) mod extras;

#[cfg(unix)]
#[cfg_attr(folio_heap, allow(dead_code, unused_imports, reason = "the heap takes the files from here, not the maps"))]
mod unix;
#[cfg(all(unix, not(folio_heap)))]
use unix as backend;

#[cfg(windows)]
#[cfg_attr(folio_heap, allow(dead_code, unused_imports, reason = "the heap takes the files from here, not the maps"))]
mod windows;
#[cfg(all(windows, not(folio_heap)))]
use windows as backend;

// Where there are no maps of files, or none are wanted.
#[cfg(any(folio_heap, not(any(unix, windows))))]
mod heap;
#[cfg(any(folio_heap, not(any(unix, windows))))]
pub(crate) mod no_paging;
#[cfg(any(folio_heap, not(any(unix, windows))))]
mod unsupported;
#[cfg(any(folio_heap, not(any(unix, windows))))]
use heap as backend;

pub use backend::AsFile;
pub(crate) use backend::paging;
pub(crate) use backend::{
    COPIES, File, FileRef, KEEPS_FILE, allocate, duplicate, file_len_limit, file_of, file_ref, file_too_long, flush,
    forbid, granularity, huge_page_size, inspect, is_at, map_anonymous, map_file, on_fork, open, page_size,
    probe_mappable, proof_of_immutability, protect, remap, set_len, start_flush, starts_through, sync_all, unmap,
    write_at, write_back,
};

#[cfg_attr(all(test, folio_shuttle), allow(unused_imports, reason = "Shuttle has threads of its own"))]
pub(crate) use backend::start_thread;

// The two ways to the bytes of a mapping that others may be using, or lose.
#[cfg(all(not(folio_heap), any(unix, windows)))]
pub(crate) use backend::{CopyState, checked_read, checked_write};
#[cfg(all(test, folio_shuttle))]
pub(crate) use heap::trouble;
#[cfg(any(folio_heap, not(any(unix, windows))))]
pub(crate) use heap::{copy_in, copy_out};

/// What [`inspect`] says of an open file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileInfo {
    /// Length in bytes.
    pub(crate) len: u64,
    /// Bytes of storage that it occupies, as far as the system knows.
    pub(crate) allocated: u64,
    /// What it is.
    pub(crate) kind: FileKind,
    /// Bytes per page of a mapping of this file: larger than [`page_size`] on a file system of huge pages.
    pub(crate) page_size: usize,
    /// Which file it is, if that could be had along with the rest. Needed where the system reports a failed write-back to one
    /// mapping of a file and not to another.
    pub(crate) id: Option<FileId>,
}

/// Tells files that are open at the same time apart: two numbers of the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) u64, pub(crate) u64);

/// Kinds of file as far as mapping is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    Directory,
    /// Block and character devices, pipes, sockets and whatever else has a descriptor.
    Other,
}

/// How a mapping is asked for.
#[allow(dead_code, reason = "the contract's words: not every backend says each")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapFlags {
    /// What may be done with the pages at first. `ReadCopy` makes the mapping private, all others shared, unless
    /// `private` says otherwise.
    pub(crate) protection: Protection,
    /// Changes stay in this process, also under a protection that does not write (yet).
    pub(crate) private: bool,
    /// Bring the pages in before returning, as far as the system has a flag for it.
    pub(crate) populate: bool,
    /// Reserve no swap space.
    pub(crate) no_reserve: bool,
    /// Suitable for a stack.
    pub(crate) stack: bool,
    /// Huge pages of 2 to this power bytes, or of the default size for `Some(None)`.
    pub(crate) huge: Option<Option<u8>>,
}

impl MapFlags {
    /// Ordinary pages, of which nothing more is asked.
    pub(crate) const fn plain(protection: Protection, private: bool) -> MapFlags {
        MapFlags { protection, private, populate: false, no_reserve: false, stack: false, huge: None }
    }
}

/// Which call made a mapping: some systems take the two kinds back by different calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// [`map_file`].
    File,
    /// [`map_anonymous`].
    Memory,
}

/// What [`allocate`] could do.
#[allow(dead_code, reason = "the contract's words: not every backend says each")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocated {
    /// Every byte of the range has its block, and the file reaches to the end of the range at least.
    Done,
    /// The file system knows no such call. Nothing was changed.
    NotSupported,
}

/// What [`start_flush`] could do.
#[allow(dead_code, reason = "the contract's words: not every backend says each")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// The system has begun to write.
    Yes,
    /// The system has no call that begins without waiting; [`flush`] on another thread does the same.
    No,
}

/// How pages are brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Populate {
    /// So that they can be read.
    Read,
    /// So that they can be written: with pages of their own where they are private, and blocks of the file where it has holes.
    Write,
}

/// What [`paging::populate`] could do.
#[allow(dead_code, reason = "the contract's words: not every backend says each")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Populated {
    /// Every page was in memory at some moment since the call began.
    Done,
    /// A page cannot be reached. Those before it are in memory.
    Lost,
    /// The system has no such call, or not for this memory. Nothing was done.
    NotSupported,
}

/// Why [`paging::lock`] locked nothing, or not all.
#[allow(dead_code, reason = "the contract's words: not every backend says each")]
#[derive(Debug)]
pub(crate) enum NotLocked {
    /// By a limit or for the lack of a right, which the error names. Nothing is locked.
    Refused(std::io::Error),
    /// Perhaps a page could not be brought in. Some may be locked.
    Unreachable(std::io::Error),
}

/// Pages of [`page_size`] of a range of a file, counted by [`paging::cached`].
#[allow(dead_code, reason = "the contract's words: not every backend says each")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) resident: u64,
    pub(crate) dirty: u64,
    pub(crate) writeback: u64,
    pub(crate) evicted: u64,
    pub(crate) recently_evicted: u64,
}

/// Whether the kernel proves that a file cannot change.
#[allow(dead_code, reason = "the contract's words: not every backend says each")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It does: memory that is sealed against writing and shrinking.
    Sealed,
    /// It does: fs-verity, on a file system that can be believed.
    Verity,
    /// The system could prove it, but this file can be changed.
    Fails,
    /// The system has no such proof.
    Unknown,
}

/// Turns the `0` or `-1` of a system call into a result. Call it at once: it reads the last error.
#[cfg(unix)]
pub(crate) fn zero_or_errno(result: i32) -> std::io::Result<()> {
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
