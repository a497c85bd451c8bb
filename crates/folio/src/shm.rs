//! Memory that processes share: what there is, and memory with a descriptor.
//!
//! | memory | whom it is for | how |
//! |---|---|---|
//! | with a descriptor | whoever is sent it (over a Unix socket, by inheritance) | [`memfd`] |
//! | the same, sealed | whoever is sent it and wants a `&[u8]` that nobody can change | [`memfd`], then [`seal`](crate::View::seal); [`map_if_safe`](crate::MmapOptions::map_if_safe) |
//! | without one | children made by `fork` | [`MmapOptions::map_anon_shared`](crate::MmapOptions::map_anon_shared) |
//! | with a name | whoever knows the name and has the right | `shm_open`, below |
//! | secret | this process and its children alone | [`MmapOptions::secret`](crate::MmapOptions::secret) |
//!
//! All of it is a [`MmapViewSync`], for others can write it at any time. What is read from it is checked once it has been copied:
//! a length or an index that was right when it was looked at in the shared memory may be another one by the time it is used. The
//! atomic accesses ([`load_acquire`](crate::View::load_acquire) and its like) order one process's writes before another's reads.
//!
//! # With a name
//!
//! POSIX shared memory is a file like any other once it is open, and is mapped like one. Any crate that calls `shm_open` for
//! its descriptor will do; on Linux it is a file of the folder `/dev/shm`:
//!
//! ```
//! # #[cfg(target_os = "linux")] {
//! # if !std::path::Path::new("/dev/shm").is_dir() { return std::io::Result::Ok(()) }
//! use folio::{MmapViewSync, Protection};
//!
//! // What `shm_open("/counter", O_RDWR | O_CREAT | O_EXCL)` opens:
//! # let name = tempfile::Builder::new().prefix("folio-").tempdir_in("/dev/shm")?;
//! # let path = name.path().join("counter");
//! # /*
//! let path = "/dev/shm/counter";
//! # */
//! let ours = MmapViewSync::create_new(&path, 4096)?; // real pages, or an error
//!
//! // Another process:
//! let theirs = MmapViewSync::open_path(&path, Protection::ReadWrite)?;
//! theirs.store(0, 1u64)?;
//! assert_eq!(ours.load::<u64>(0)?, 1);
//!
//! std::fs::remove_file(&path)?; // what `shm_unlink` does; the mappings stay
//! # }
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

use crate::Protection;
use crate::error::invalid_input;
use crate::options::{MmapOptions, checked_len};
use crate::sys::{self, extras};
use crate::view::MmapViewSync;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

/// Makes `len` bytes of zeros with a descriptor, to hand to other processes, and maps them for reading and writing.
///
/// The memory belongs to no file system. It lives as long as a descriptor or a mapping of it does, anywhere. Whoever has the
/// descriptor can write the memory, and cut it short, until it is [sealed](crate::View::seal). `name` is for people
/// (`/proc/self/maps` shows it) and need not be unique.
///
/// Pages are taken when they are first written: where memory is short then, checked access gives an error that carries a
/// [`Fault`](crate::Fault). The mapping keeps a duplicate of the descriptor, for sealing. Both are closed on `exec`.
///
/// # Platform-specific behaviour
///
/// `memfd_create`: Linux (3.17), Android, FreeBSD (13). Elsewhere [`Unsupported`](io::ErrorKind::Unsupported): name the memory
/// (`shm_open`), or map a file that has no name any more.
///
/// # Errors
///
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) if `len` is above `isize::MAX`, or `name` contains a zero byte or is longer than
///   249 bytes.
/// - [`Unsupported`](io::ErrorKind::Unsupported) where the system has no such memory.
/// - The errors of the system's calls: too many descriptors, a limit on the length of files (`RLIMIT_FSIZE`), those of mapping.
///
/// # Examples
///
/// ```
/// # #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))] {
/// let (descriptor, view) = folio::shm::memfd("numbers", 800)?;
/// for n in 0..100_u64 {
///     view.store(8 * n as usize, n * n)?;
/// }
/// let map = view.seal()?; // and `descriptor` goes to another process
/// # drop(descriptor);
/// # assert_eq!(map.load::<u64>(80)?, 100);
/// # }
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "memfd_create")]
pub fn memfd(name: &str, len: usize) -> io::Result<(OwnedFd, MmapViewSync)> {
    let len = checked_len(len)? as u64;
    let name = CString::new(name).map_err(|_| invalid_input("the name contains a zero byte"))?;
    let file = extras::memory_file(&name)?;
    if len > sys::file_len_limit() {
        return Err(sys::file_too_long());
    }
    sys::set_len(sys::file_ref(&file), len)?;
    let view = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite)?;
    Ok((file, view))
}
