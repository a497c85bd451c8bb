//! Access to mapped memory that reports a fault instead of ending the process.
//!
//! A page of a mapping can be lost at any moment: the file is cut short, the disk behind a hole is full, the medium
//! fails. Touching such a page by an ordinary load raises a signal (an exception on Windows), which ends the process.
//! [Checked access](crate::View::read_exact_at) gives an [`io::Error`] that carries a [`Fault`] instead. This module is
//! for programs that want a say in how.
//!
//! # Two ways, one promise
//!
//! *Routines* are small pieces of assembly that copy as fast as any plain copy. A fault in one of them is caught by a
//! handler of SIGBUS and SIGSEGV (a vectored exception handler on Windows), which is installed at the first checked access
//! of the process and stays. It acts only on a fault that the kernel raised for an instruction of a routine, or of the few that
//! move a single number in the caller's own code, at an address in the view; everything else goes to the handler that was there before,
//! with the mask and flags that it asked for.
//!
//! *Kernel copies* let the kernel move the bytes, and take no handler but two system calls for every 4 KiB or part of it. Where the
//! kernel has no call that copies, or forbids it, these go through a pipe, which takes some more and two descriptors as long as the copy
//! lasts. They are what folio does where it has no routines, and everywhere in a program that has called [`use_kernel_copies`].
//!
//! Both give the same answers, but for [the atomic accesses](ATOMIC_WIDTH), which the kernel cannot make.
//!
//! | | Linux, Android, Apple, FreeBSD | Windows | other Unix systems |
//! |---|---|---|---|
//! | x86-64, aarch64 | routines | routines | kernel copies |
//! | other architectures | kernel copies | kernel copies | kernel copies |
//!
//! Where mappings are copies in ordinary memory (WebAssembly, and anywhere by `--cfg folio_heap`), no page is ever lost and neither
//! way is needed: see [`ATOMIC_WIDTH`] for what is left.
//!
//! # For a program with handlers of its own
//!
//! - One that installs its handler before the first checked access need not do anything.
//! - One that installs it later should call [`install`] before, so that its own is on top, and pass on what it does not
//!   know to the handler that [`sigaction`] answered with. Or call [`install`] afterwards: folio's is on top then, and
//!   passes on to the program's.
//! - One that blocks SIGBUS or SIGSEGV in a thread should do so before that thread's first checked access, which takes
//!   both out of the thread's mask, or call [`prepare_thread`] afterwards. A fault in a thread that blocks its signal ends
//!   the process, whatever handlers there are.
//! - A host that must not see foreign handlers at all chooses [`use_kernel_copies`].
//!
//! The first checked access of a process or of a thread does this work, so it should not be made inside a signal handler.
//! Later ones may be made there if they succeed: one that fails allocates its error, which a handler that may have interrupted an
//! allocation must not do. While a fault is being handled, no other handler runs.
//!
//! [`sigaction`]: https://man7.org/linux/man-pages/man2/sigaction.2.html

// Which of the ways is taken: the heap has one of its own, where mappings are ordinary memory.
#[cfg(all(not(folio_heap), any(unix, windows)))]
mod kernel;
pub(crate) mod lent;
mod stop;
#[cfg(all(
    not(folio_heap),
    any(unix, windows),
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd", windows),
    )),
))]
#[path = "by_kernel.rs"]
mod way;
#[cfg(any(folio_heap, not(any(unix, windows))))]
#[path = "heap.rs"]
mod way;
#[cfg(all(
    not(folio_heap),
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd", windows),
))]
#[path = "routines/mod.rs"]
mod way;
mod word;

#[cfg(all(test, any(unix, windows), not(folio_heap)))]
mod tests;

pub(crate) use stop::{Short, Stop, Tried};
pub(crate) use word::{AtomicWord, Word};

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A naturally aligned load or store of a number up to this many bytes is one access of the machine: no other thread or
/// process sees half of it, and it sees no half of another such access.
///
/// It is 8 where folio has [routines](self#two-ways-one-promise), and 1 elsewhere: the kernel does not say how it copies. That goes for
/// a program that has called [`use_kernel_copies`] too, whatever this constant says there; [`atomic_width`] knows. It is 8 as well
/// where mappings are copies in ordinary memory: a lock takes the place of the machine there, for the atomic accesses too.
///
/// The atomic accesses need a routine or that lock: `load_acquire`, `store_release`, `compare_exchange` and `fetch_add` are
/// [`Unsupported`](io::ErrorKind::Unsupported) with kernel copies. The kernel offers no such access that would answer with
/// an error, and an ordinary one may meet a page that was there when it was probed and is gone now.
pub const ATOMIC_WIDTH: usize = way::ATOMIC_WIDTH;

/// [`ATOMIC_WIDTH`] as it is in this process: 1 if [`use_kernel_copies`] has been called, and else the constant.
///
/// It settles which way the process goes, as the first checked access does, with all that it does: the handler is installed, and this
/// thread takes its signals. So the answer does not become less later. (If the handler cannot be installed now, it is 1, and may become
/// more.)
///
/// # Examples
///
/// ```
/// let view = folio::MmapViewSync::anonymous(8)?;
/// if folio::fault::atomic_width() == 8 {
///     assert_eq!(view.fetch_add(0, 1u64)?, 0);
/// }
/// # std::io::Result::Ok(())
/// ```
#[must_use]
pub fn atomic_width() -> usize {
    way::atomic_width()
}

/// How many accesses have ended in a fault.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Installs the fault handler, or puts it on top again.
///
/// The first checked access does this by itself. Call it to choose the moment: before the program installs handlers of its
/// own, or after it to get on top of one. It costs two system calls when the handler is on top already. Each time it is
/// put on top of another handler uses up one of eight entry points. Each is used once only: two handlers that pass on to each other
/// would never end.
///
/// The handler is never removed, and the library that contains this crate stays loaded from now on.
///
/// # Platform-specific behaviour
///
/// - Unix: SIGBUS and SIGSEGV, with `SA_SIGINFO` and `SA_ONSTACK`. The handlers that were there are called for whatever is
///   not a fault of a checked access.
/// - Windows: a vectored exception handler, which others are called after. It is put there once; those that are added later are called
///   before it, which does not matter as long as they pass on what they do not know.
///
/// # Errors
///
/// - [`Unsupported`](io::ErrorKind::Unsupported) where folio has no routines (on ordinary memory, for one), and after [`use_kernel_copies`]: checked
///   access works without a handler there.
/// - [`Other`](io::ErrorKind::Other) when all entry points are used up, and whatever the system gives.
///
/// # Examples
///
/// ```
/// # if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
/// folio::fault::install()?;
/// assert!(folio::fault::is_installed());
/// # }
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "sigaction")]
pub fn install() -> io::Result<()> {
    way::install()
}

/// Whether the fault handler is the first that the system calls.
///
/// It is not before the first checked access, with kernel copies, and after somebody has put another handler on top (which
/// may pass on to ours, or not). On Windows: whether it has been installed.
#[must_use]
pub fn is_installed() -> bool {
    way::is_installed()
}

/// Lets this thread take SIGBUS and SIGSEGV, if it blocks them.
///
/// A fault in a thread that blocks its signal ends the process. The first checked access of each thread takes both
/// signals out of the thread's mask; this does it again, for a thread that has blocked them since. A signal of these that
/// was sent to the thread and is waiting is delivered at once.
///
/// # Platform-specific behaviour
///
/// Does nothing on Windows, where no thread can block a fault, where folio has no routines, and after [`use_kernel_copies`].
///
/// # Errors
///
/// As the system gives them.
#[doc(alias = "pthread_sigmask")]
pub fn prepare_thread() -> io::Result<()> {
    way::prepare_thread()
}

/// Chooses kernel copies for every checked access of the program, for good.
///
/// For programs that run inside a host that must not see a foreign handler (a virtual machine or a language runtime that
/// handles faults itself), and for tests. Each access takes system calls from then on, some hundred times as long as an
/// access to a single number without one, and a number is [one access of the machine](ATOMIC_WIDTH) no longer.
///
/// # Errors
///
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists) when the handler is installed already, which the first checked access does, and
/// so do [`atomic_width`], [`with_slice`](crate::View::with_slice), [`zero_fill_on_fault`](crate::MmapOptions::zero_fill_on_fault) and whatever else
/// has to touch pages. Calling it twice is no error.
#[doc(alias = "process_vm_readv")]
pub fn use_kernel_copies() -> io::Result<()> {
    way::use_kernel_copies()
}

/// How many accesses of this process have ended in a fault instead of a signal.
///
/// It only ever grows. In a child process it goes on from the parent's number.
#[must_use]
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed) as u64
}

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
    ///
    /// It looks into an [`io::Error`], one in a `Box` or `Arc` too, also as the [source](Error::source) of other errors, however
    /// deep.
    ///
    /// # Examples
    ///
    /// ```
    /// # let view = folio::MmapViewSync::anonymous(10)?;
    /// fn checksum(view: &folio::MmapViewSync) -> Result<u64, Box<dyn std::error::Error>> {
    ///     Ok(view.load::<u64>(0)?)
    /// }
    ///
    /// match checksum(&view) {
    ///     Ok(sum) => println!("{sum}"),
    ///     Err(error) => match folio::Fault::of(error.as_ref()) {
    ///         Some(fault) => println!("the file has lost its byte {}", fault.offset),
    ///         None => println!("{error}"),
    ///     },
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Fault> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(&fault) = error.downcast_ref::<Fault>() {
                return Some(fault);
            }
            // What an `io::Error` carries is not its source: its own source is that of what it carries.
            next = match io_error(error).and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }
}

/// The error as an [`io::Error`], also behind a pointer that is an error itself, whose source is that of what it points to.
fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let plain = error.downcast_ref::<io::Error>();
    plain
        .or_else(|| error.downcast_ref::<Arc<io::Error>>().map(AsRef::as_ref))
        .or_else(|| error.downcast_ref::<Box<io::Error>>().map(AsRef::as_ref))
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

// An access has two parts. The first attempt (`try_*`) is inlined into the code that asks for the access, and nearly always
// suffices. What is left to do if it falls short (`*_on`) is far from there.
//
// An attempt also says whether pages had been exchanged when it was made. What is made by the `*_on` functions, and by those that go to
// the end, does not: who asks for it has to look at the pages.

/// Whether no page of any mapping of this process has ever been exchanged (see [`lent`]). If so, whatever was done before was done to
/// what is mapped. One look at this costs less than a look at the mapping, and in most programs is enough.
#[inline]
pub(crate) fn never_exchanged() -> bool {
    way::never_exchanged()
}

/// Has [`never_exchanged`] say no in all threads, and their attempts be doubtful, after a barrier that follows. Async-signal-safe.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(folio_heap)))]
pub(crate) fn note_exchange() {
    way::note_exchange();
}

/// Tries to copy `len` bytes of a mapping into memory of the caller.
///
/// # Safety
///
/// - `src .. src + len` lies in one mapping that stays mapped for the length of the call; its pages may be lost and
///   its bytes may be changed by anybody meanwhile.
/// - `dst .. dst + len` is valid for writes and overlaps nothing that anybody else reads or writes meanwhile.
#[inline]
pub(crate) unsafe fn try_read(src: *const u8, dst: *mut u8, len: usize) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_read(src, dst, len) }
}

/// Tries to copy `len` bytes of the caller into a mapping.
///
/// # Safety
///
/// - `dst .. dst + len` lies in one mapping that stays mapped for the length of the call, and no reference to those
///   bytes exists; its pages may be lost or not writable, and its bytes may be read and changed by anybody meanwhile.
/// - `src .. src + len` is valid for reads, and nobody writes there meanwhile.
#[inline]
pub(crate) unsafe fn try_write(dst: *mut u8, src: *const u8, len: usize) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_write(dst, src, len) }
}

/// Tries to load the word `offset` bytes behind `base`, by a single relaxed access if it is aligned and not wider than [`ATOMIC_WIDTH`].
///
/// # Safety
///
/// As [`try_read`], for the bytes of the word.
#[inline]
pub(crate) unsafe fn try_load<W: Word>(base: *const u8, offset: usize) -> Result<Tried<W>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_load(base, offset) }
}

/// Tries to store a word at `dst`, by a single relaxed access if it is aligned and not wider than [`ATOMIC_WIDTH`].
///
/// # Safety
///
/// As [`try_write`], for the bytes of the word.
#[inline]
pub(crate) unsafe fn try_store<W: Word>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_store(dst, value) }
}

/// Tries to load the word at `src`: what others wrote before they released this value is seen by what comes after.
///
/// # Safety
///
/// As [`try_read`], for the bytes of the word, which is aligned to its width.
#[inline]
pub(crate) unsafe fn try_load_acquire<W: AtomicWord>(src: *const u8) -> Result<Tried<W>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_load_acquire(src) }
}

/// Tries to store a word at `dst`: what comes before is seen by others that acquire this value.
///
/// # Safety
///
/// As [`try_write`], for the bytes of the word; `dst` is aligned to its width.
#[inline]
pub(crate) unsafe fn try_store_release<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_store_release(dst, value) }
}

/// Tries to store `new` at `dst` if `current` is there, and answers what was there before. Acquires, and releases if it
/// stores.
///
/// # Safety
///
/// As [`try_write`], for the bytes of the word; `dst` is aligned to its width.
#[inline]
pub(crate) unsafe fn try_compare_exchange<W: AtomicWord>(dst: *mut u8, current: W, new: W) -> Result<Tried<W>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_compare_exchange(dst, current, new) }
}

/// Tries to add `value` to the word at `dst`, wrapping around, and answers what was there before. Acquires and releases.
///
/// # Safety
///
/// As [`try_write`], for the bytes of the word; `dst` is aligned to its width.
#[inline]
pub(crate) unsafe fn try_fetch_add<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<W>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::try_fetch_add(dst, value) }
}

/// Goes on where [`try_read`] fell short, with the same arguments.
///
/// # Safety
///
/// As [`try_read`].
pub(crate) unsafe fn read_on(src: *const u8, dst: *mut u8, len: usize, short: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::read_on(src, dst, len, short) }
}

/// Goes on where [`try_write`] fell short, with the same arguments.
///
/// # Safety
///
/// As [`try_write`].
pub(crate) unsafe fn write_on(dst: *mut u8, src: *const u8, len: usize, short: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::write_on(dst, src, len, short) }
}

/// Goes on where [`try_load`] of the word at `src` fell short.
///
/// # Safety
///
/// As [`try_load`].
pub(crate) unsafe fn load_on<W: Word>(src: *const u8, short: Short) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::load_on(src, short) }
}

/// Goes on where [`try_store`] fell short, with the same arguments.
///
/// # Safety
///
/// As [`try_store`].
pub(crate) unsafe fn store_on<W: Word>(dst: *mut u8, value: W, short: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { way::store_on(dst, value, short) }
}

/// [`try_read`] to its end.
///
/// # Safety
///
/// As [`try_read`].
pub(crate) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { try_read(src, dst, len) }.map(Tried::given).or_else(|short| {
        // SAFETY: the same obligations, passed on.
        unsafe { read_on(src, dst, len, short) }
    })
}

/// [`try_write`] to its end.
///
/// # Safety
///
/// As [`try_write`].
pub(crate) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { try_write(dst, src, len) }.map(Tried::given).or_else(|short| {
        // SAFETY: the same obligations, passed on.
        unsafe { write_on(dst, src, len, short) }
    })
}

/// Makes attempts at an aligned word: one of those that acquire or release.
pub(crate) fn atomic<R>(attempt: impl Fn() -> Result<Tried<R>, Short>) -> Result<R, Stop> {
    attempt().map(Tried::given).or_else(|short| atomic_on(short, attempt))
}

/// Goes on where an attempt at an aligned word fell short. An attempt that falls short has not touched the word, so it can be
/// made again.
pub(crate) fn atomic_on<R>(short: Short, attempt: impl Fn() -> Result<Tried<R>, Short>) -> Result<R, Stop> {
    way::atomic_on(short, attempt)
}
