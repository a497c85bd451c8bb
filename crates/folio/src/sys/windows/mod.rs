//! Windows 10 and later: files by their handles, mappings by section objects, private memory by `VirtualAlloc`.
//!
//! What shapes this backend:
//!
//! - A view of a file starts at a multiple of 64 KiB ([`granularity`]), and pages have 4 KiB.
//! - A view ends where the file ends, rounded up to a page. A section that is longer than its file would lengthen the
//!   file, so none is ever made here, but in [`allocate`], where that is the wish.
//! - While a view is mapped the system refuses to cut the file short below it, so pages are lost only with the medium or
//!   the network under them.
//! - Mapped files and private memory are given back by different calls: that is why [`unmap`] is told the [`Source`](super::Source).

mod copy;
mod file;
mod flush;
mod map;
pub(crate) mod paging;

pub(crate) use copy::{CopyState, checked_read, checked_write};
pub(crate) use file::{
    allocate, duplicate, file_len_limit, file_of, file_ref, file_too_long, inspect, is_at, open, proof_of_immutability,
    set_len, write_at,
};
pub(crate) use flush::{KEEPS_FILE, flush, start_flush, starts_through, sync_all};
pub(crate) use map::{
    COPIES, forbid, huge_page_size, map_anonymous, map_file, probe_mappable, protect, remap, unmap, write_back,
};

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::WIN32_ERROR;
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
use windows_sys::core::BOOL;

/// A file that can be mapped: on Windows everything that lends its handle by [`AsHandle`], such as
/// [`std::fs::File`], [`OwnedHandle`] or a reference to one; on Unix everything that lends a descriptor by `AsFd`.
///
/// The trait is sealed: it is implemented for all those types, and cannot be implemented otherwise.
pub trait AsFile: AsHandle {}

impl<T: AsHandle + ?Sized> AsFile for T {}

/// An owned file handle.
pub(crate) type File = OwnedHandle;
/// A borrowed file handle.
pub(crate) type FileRef<'a> = BorrowedHandle<'a>;

/// The two sizes that the system's memory has.
#[derive(Clone, Copy)]
struct Sizes {
    page: usize,
    granularity: usize,
}

/// `GetSystemInfo`, asked once.
fn sizes() -> Sizes {
    static CACHED: OnceLock<Sizes> = OnceLock::new();
    *CACHED.get_or_init(|| {
        let mut info = MaybeUninit::<SYSTEM_INFO>::zeroed();
        // SAFETY: the structure is the one that the call fills; it cannot fail (sysinfoapi.h, GetSystemInfo).
        unsafe { GetSystemInfo(info.as_mut_ptr()) };
        // SAFETY: the call has filled it, and it was zeros before: valid for a structure of numbers and addresses.
        let info = unsafe { info.assume_init() };
        let size = |bytes: u32, usual: usize| {
            // Both are powers of two on every Windows there is; a system that says otherwise gets the usual ones.
            usize::try_from(bytes).ok().filter(|size| size.is_power_of_two()).unwrap_or(usual)
        };
        Sizes { page: size(info.dwPageSize, 4096), granularity: size(info.dwAllocationGranularity, 64 * 1024) }
    })
}

/// Bytes per page.
pub(crate) fn page_size() -> usize {
    sizes().page
}

/// What the offset in a file must be a multiple of: 64 KiB.
pub(crate) fn granularity() -> usize {
    sizes().granularity
}

/// Turns the `FALSE` or not of a call into a result. Call it at once: it reads the last error.
fn true_or_last_error(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether this is the system's error `code`.
fn is(error: &io::Error, code: WIN32_ERROR) -> bool {
    error.raw_os_error().and_then(|raw| u32::try_from(raw).ok()) == Some(code)
}

/// The halves of a number that a call takes as two.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

/// An address as the calls want it.
fn address_of(address: std::ptr::NonNull<u8>) -> *mut c_void {
    address.as_ptr().cast()
}

/// A child process begins with nothing of its parent's memory.
pub(crate) fn on_fork(_child: extern "C" fn()) -> io::Result<()> {
    Ok(())
}

/// Starts a thread that calls `work` and ends.
pub(crate) fn start_thread(work: fn()) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("folio-flush".into()).stack_size(64 * 1024);
    thread.spawn(work).map(drop)
}
