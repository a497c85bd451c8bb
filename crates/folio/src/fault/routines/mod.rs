//! Access by routines: small pieces of assembly, and a handler that leads a fault in one of them to its error exit.
//!
//! A routine says how far it came, never more; what that means is decided here. A copy is a function that callers reach through a
//! [`table`], and the handler knows its [`regions`]; a [`single`] access stands in the caller's own code. The first attempt is
//! made there, and what is left to do when it falls short is not.

#[macro_use]
mod object;

mod doubt;
#[cfg(unix)]
mod handler;
#[cfg(windows)]
#[path = "windows.rs"]
mod handler;
#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod machine;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod machine;
mod prepare;
mod regions;
mod single;
mod table;
#[cfg(test)]
mod tests;

pub(super) use doubt::never_exchanged;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use doubt::note_exchange;
pub(crate) use machine::ATOMIC_WIDTH;
pub(crate) use prepare::{atomic_width, install, is_installed, prepare, prepare_thread, use_kernel_copies};

use super::word::{AtomicWord, Word};
use super::{Short, Stop, Tried, kernel};

/// See [`super::try_read`].
///
/// # Safety
///
/// As [`super::try_read`].
#[inline]
pub(super) unsafe fn try_read(src: *const u8, dst: *mut u8, len: usize) -> Result<Tried<()>, Short> {
    // SAFETY: passed on; the routines are this thread's.
    unsafe { machine::copy(prepare::routines(), dst, src, len, src) }
}

/// See [`super::try_write`].
///
/// # Safety
///
/// As [`super::try_write`].
#[inline]
pub(super) unsafe fn try_write(dst: *mut u8, src: *const u8, len: usize) -> Result<Tried<()>, Short> {
    // SAFETY: passed on; the routines are this thread's.
    unsafe { machine::copy(prepare::routines(), dst, src, len, dst) }
}

/// Whether this thread makes single accesses by itself.
#[inline]
fn tries() -> Result<(), Short> {
    if prepare::tries() { Ok(()) } else { Err(Short::UNTRIED) }
}

/// See [`super::try_load`].
///
/// # Safety
///
/// As [`super::try_load`].
#[inline]
pub(super) unsafe fn try_load<W: Word>(base: *const u8, offset: usize) -> Result<Tried<W>, Short> {
    tries()?;
    // SAFETY: passed on; this thread is prepared.
    unsafe { machine::load(base, offset) }
}

/// See [`super::try_store`].
///
/// # Safety
///
/// As [`super::try_store`].
#[inline]
pub(super) unsafe fn try_store<W: Word>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    tries()?;
    // SAFETY: passed on; this thread is prepared.
    unsafe { machine::store(dst, value) }
}

/// See [`super::try_load_acquire`].
///
/// # Safety
///
/// As [`super::try_load_acquire`].
#[inline]
pub(super) unsafe fn try_load_acquire<W: AtomicWord>(src: *const u8) -> Result<Tried<W>, Short> {
    tries()?;
    // SAFETY: passed on; this thread is prepared.
    unsafe { machine::load_acquire(src) }
}

/// See [`super::try_store_release`].
///
/// # Safety
///
/// As [`super::try_store_release`].
#[inline]
pub(super) unsafe fn try_store_release<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    tries()?;
    // SAFETY: passed on; this thread is prepared.
    unsafe { machine::store_release(dst, value) }
}

/// See [`super::try_compare_exchange`].
///
/// # Safety
///
/// As [`super::try_compare_exchange`].
#[inline]
pub(super) unsafe fn try_compare_exchange<W: AtomicWord>(dst: *mut u8, current: W, new: W) -> Result<Tried<W>, Short> {
    tries()?;
    // SAFETY: passed on; this thread is prepared.
    unsafe { machine::compare_exchange(dst, current, new) }
}

/// See [`super::try_fetch_add`].
///
/// # Safety
///
/// As [`super::try_fetch_add`].
#[inline]
pub(super) unsafe fn try_fetch_add<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<W>, Short> {
    tries()?;
    // SAFETY: passed on; this thread is prepared.
    unsafe { machine::fetch_add(dst, value) }
}

// What is left to do after a first attempt has fallen short.

/// See [`super::read_on`].
///
/// # Safety
///
/// As [`super::try_read`].
#[cold]
#[inline(never)]
pub(super) unsafe fn read_on(src: *const u8, dst: *mut u8, len: usize, mut short: Short) -> Result<(), Stop> {
    if short == Short::UNTRIED {
        if prepare::prepare().map_err(Stop::Failed)?.is_none() {
            // SAFETY: the same obligations, passed on.
            return unsafe { kernel::read(src, dst, len) };
        }
        // SAFETY: the same obligations, passed on.
        match unsafe { try_read(src, dst, len) } {
            Ok(_) => return Ok(()),
            Err(again) => short = again,
        }
    }
    Err(Stop::lost(len - short.left()))
}

/// See [`super::write_on`].
///
/// # Safety
///
/// As [`super::try_write`].
#[cold]
#[inline(never)]
pub(super) unsafe fn write_on(dst: *mut u8, src: *const u8, len: usize, mut short: Short) -> Result<(), Stop> {
    if short == Short::UNTRIED {
        if prepare::prepare().map_err(Stop::Failed)?.is_none() {
            // SAFETY: the same obligations, passed on.
            return unsafe { kernel::write(dst, src, len) };
        }
        // SAFETY: the same obligations, passed on.
        match unsafe { try_write(dst, src, len) } {
            Ok(_) => return Ok(()),
            Err(again) => short = again,
        }
    }
    Err(Stop::lost(len - short.left()))
}

/// See [`super::load_on`].
///
/// # Safety
///
/// As [`super::try_load`].
#[cold]
#[inline(never)]
pub(super) unsafe fn load_on<W: Word>(src: *const u8, short: Short) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    match insist(short, || unsafe { try_load(src, 0) })? {
        Insisted::Done(value) => Ok(value),
        Insisted::Lost if in_one_page::<W>(src) => Err(Stop::lost(0)),
        Insisted::Lost => {
            let mut value = W::default();
            // SAFETY: passed on; `value` is ours, and any bytes are a value of it.
            unsafe { super::read(src, (&raw mut value).cast(), W::WIDTH) }?;
            Ok(value)
        }
        // SAFETY: the same obligations, passed on.
        Insisted::ByKernel => unsafe { kernel::load(src) },
    }
}

/// See [`super::store_on`].
///
/// # Safety
///
/// As [`super::try_store`].
#[cold]
#[inline(never)]
pub(super) unsafe fn store_on<W: Word>(dst: *mut u8, value: W, short: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    match insist(short, || unsafe { try_store(dst, value) })? {
        Insisted::Done(()) => Ok(()),
        Insisted::Lost if in_one_page::<W>(dst) => Err(Stop::lost(0)),
        // SAFETY: passed on; `value` is ours.
        Insisted::Lost => unsafe { super::write(dst, (&raw const value).cast(), W::WIDTH) },
        // SAFETY: the same obligations, passed on.
        Insisted::ByKernel => unsafe { kernel::store(dst, value) },
    }
}

/// See [`super::atomic_on`].
#[cold]
#[inline(never)]
pub(super) fn atomic_on<R>(short: Short, attempt: impl Fn() -> Result<Tried<R>, Short>) -> Result<R, Stop> {
    match insist(short, attempt)? {
        Insisted::Done(value) => Ok(value),
        // An aligned word lies in one page: it is reached as a whole or not at all.
        Insisted::Lost => Err(Stop::lost(0)),
        Insisted::ByKernel => Err(kernel::no_atomics()),
    }
}

/// Whether the word at `at` lies in one page, so that it is reached as a whole or not at all.
fn in_one_page<W: Word>(at: *const u8) -> bool {
    /// Divides every page size.
    const BLOCK: usize = 4096;
    at.addr() % BLOCK <= BLOCK - W::WIDTH
}

/// How an attempt that fell short at first ended.
enum Insisted<R> {
    /// With this value.
    Done(R),
    /// A byte of it could not be reached.
    Lost,
    /// Not at all: the program has chosen kernel copies.
    ByKernel,
}

/// Makes an attempt at a word again, after the preparation that it may lack.
///
/// Where the system does not tell a signal that was sent from one that it raised, what looked like a fault may have been
/// none: there only a second one counts.
fn insist<R>(mut short: Short, attempt: impl Fn() -> Result<Tried<R>, Short>) -> Result<Insisted<R>, Stop> {
    if short == Short::UNTRIED {
        if prepare::prepare().map_err(Stop::Failed)?.is_none() {
            return Ok(Insisted::ByKernel);
        }
        match attempt() {
            Ok(made) => return Ok(Insisted::Done(made.given())),
            Err(again) => short = again,
        }
    }
    debug_assert_ne!(short, Short::UNTRIED, "a thread that is prepared tries");
    if handler::CERTAIN {
        return Ok(Insisted::Lost);
    }
    Ok(attempt().map_or(Insisted::Lost, |made| Insisted::Done(made.given())))
}
