//! Access to mapped memory that reports a fault instead of ending the process.
//!
//! A page of a mapping can be lost at any moment: the file is cut short, the disk behind a hole is full, the medium
//! fails. Touching such a page by an ordinary load raises a signal. The functions of this module move bytes between a
//! mapping (the *view's side*) and memory of the caller (the *caller's side*) and answer with the place of the first
//! byte of the view's side that could not be reached. A fault on the caller's side is none of their business: it ends
//! as it would have ended in a plain copy.

mod kernel;

use std::error::Error;
use std::fmt;
use std::io;

/// Where a checked access met a page that could not be reached.
///
/// It travels inside an [`io::Error`]; [`Fault::of`] takes it out again. A fault has many causes (the file was cut
/// short under the mapping, the disk behind a hole of a sparse file is full, the medium failed) and the operating
/// system does not tell the program which it was, so the kind of the error is [`io::ErrorKind::Other`]; ask
/// `Fault::of` to tell a fault from other errors.
///
/// # Examples
///
/// ```
/// use folio::{Fault, MmapViewSync, Protection};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("data");
/// std::fs::write(&path, vec![7; 3 * folio::page_size()])?;
/// let view = MmapViewSync::open_path(&path, Protection::ReadWrite)?;
///
/// # // Windows refuses that.
/// # if cfg!(windows) { return std::io::Result::Ok(()) }
/// // Somebody cuts the file short under the mapping.
/// std::fs::OpenOptions::new().write(true).open(&path)?.set_len(0)?;
///
/// let error = view.load::<u64>(8).unwrap_err();
/// assert_eq!(Fault::of(&error).unwrap().offset, 8);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fault {
    /// The offset in bytes, counted from the start of the view, of the first byte that could not be reached.
    pub offset: usize,
}

impl Fault {
    /// The fault that `error` carries, or `None` when it is an error of another kind.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Fault> {
        error.get_ref()?.downcast_ref::<Fault>().copied()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the mapped page at byte {} of the view cannot be reached (file cut short, disk full, or medium failed)",
            self.offset
        )
    }
}

impl Error for Fault {}

/// Why a checked copy stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The byte at this offset of the view's side was the first that could not be reached. Those before it were
    /// copied.
    Fault(usize),
    /// The copy could not be made for a reason that has nothing to do with the memory (no descriptor left for the
    /// fall-back, say).
    Failed(io::Error),
}

impl Stop {
    /// The public error, for an access that began at byte `base` of the view.
    pub(crate) fn into_error(self, base: usize) -> io::Error {
        match self {
            Stop::Fault(at) => io::Error::other(Fault { offset: base + at }),
            Stop::Failed(error) => error,
        }
    }
}

/// Copies `len` bytes of a mapping into memory of the caller.
///
/// # Safety
///
/// - `src .. src + len` lies in one mapping that stays mapped for the length of the call; its pages may be lost and
///   its bytes may be changed by anybody meanwhile.
/// - `dst .. dst + len` is valid for writes and overlaps nothing that anybody else reads or writes meanwhile.
pub(crate) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::read(src, dst, len) }
}

/// Copies `len` bytes of the caller into a mapping.
///
/// # Safety
///
/// - `dst .. dst + len` lies in one mapping that stays mapped for the length of the call, and no reference to those
///   bytes exists; its pages may be lost or not writable, and its bytes may be read and changed by anybody meanwhile.
/// - `src .. src + len` is valid for reads, and nobody writes there meanwhile.
pub(crate) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::write(dst, src, len) }
}
