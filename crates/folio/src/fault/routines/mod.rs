//! Access by routines: small pieces of assembly, and a handler that leads a fault in one of them to its error exit.
//!
//! A routine says how far it came, never more; what that means is decided here. Callers reach it through a table of
//! pointers ([`table`]), and what is left to do after a failure stays out of their code.

#[macro_use]
mod object;

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
mod table;
#[cfg(all(test, unix))]
mod tests;

pub(crate) use machine::ATOMIC_WIDTH;
pub(crate) use prepare::{install, is_installed, prepare, prepare_thread, use_kernel_copies};

use super::word::{AtomicWord, Word};
use super::{Stop, kernel};
use table::Routines;

/// What a routine for a single access answers, in two registers: the value below, the outcome above.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Loaded(u128);

impl Loaded {
    /// The answer where nothing was tried.
    const NOT_TRIED: Loaded = Loaded((UNPREPARED as u128) << 64);

    /// What was there, if the access was made.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
    fn value(self) -> u64 {
        self.0 as u64
    }

    /// [`DONE`], [`LOST`] or [`UNPREPARED`].
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the upper half")]
    fn outcome(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// The access was made.
const DONE: u64 = 0;
/// The access was not made: a byte of it could not be reached.
#[allow(dead_code, reason = "whatever is not done is not done")]
const LOST: u64 = 1;
/// The access was not tried: this thread has not been prepared.
const UNPREPARED: u64 = 2;

/// What [`copy_in`] and [`copy_out`] answer in place of a count when the thread has not been prepared: no copy is that
/// long.
const NOT_TRIED: usize = usize::MAX;

/// See [`super::read`].
///
/// # Safety
///
/// As [`super::read`].
#[inline]
pub(super) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    match unsafe { copy_in(src, dst, len) } {
        0 => Ok(()),
        // SAFETY: the same obligations, passed on.
        left => unsafe { read_slowly(src, dst, len, left) },
    }
}

/// See [`super::write`].
///
/// # Safety
///
/// As [`super::write`].
#[inline]
pub(super) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    match unsafe { copy_out(dst, src, len) } {
        0 => Ok(()),
        // SAFETY: the same obligations, passed on.
        left => unsafe { write_slowly(dst, src, len, left) },
    }
}

/// See [`super::load`].
///
/// # Safety
///
/// As [`super::load`].
#[inline]
pub(super) unsafe fn load<W: Word>(src: *const u8) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    let loaded = unsafe { try_load::<W>(src) };
    if loaded.outcome() == DONE {
        return Ok(W::narrow(loaded.value()));
    }
    // SAFETY: the same obligations, passed on.
    unsafe { load_slowly(src, loaded) }
}

/// See [`super::store`].
///
/// # Safety
///
/// As [`super::store`].
#[inline]
pub(super) unsafe fn store<W: Word>(dst: *mut u8, value: W) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    let stored = unsafe { try_store(dst, value) };
    if stored.outcome() == DONE {
        return Ok(());
    }
    // SAFETY: the same obligations, passed on.
    unsafe { store_slowly(dst, value, stored) }
}

/// See [`super::load_acquire`].
///
/// # Safety
///
/// As [`super::load_acquire`].
#[inline]
pub(super) unsafe fn load_acquire<W: AtomicWord>(src: *const u8) -> Result<W, Stop> {
    atomic(|routines| match W::WIDTH {
        // SAFETY: the same obligations, passed on.
        4 => unsafe { (routines.acquire4)(src) },
        // SAFETY: the same obligations, passed on.
        _ => unsafe { (routines.acquire8)(src) },
    })
}

/// See [`super::store_release`].
///
/// # Safety
///
/// As [`super::store_release`].
#[inline]
pub(super) unsafe fn store_release<W: AtomicWord>(dst: *mut u8, value: W) -> Result<(), Stop> {
    atomic::<W>(|routines| match W::WIDTH {
        // SAFETY: the same obligations, passed on.
        4 => unsafe { (routines.release4)(dst, value.widen()) },
        // SAFETY: the same obligations, passed on.
        _ => unsafe { (routines.release8)(dst, value.widen()) },
    })?;
    Ok(())
}

/// See [`super::compare_exchange`].
///
/// # Safety
///
/// As [`super::compare_exchange`].
#[inline]
pub(super) unsafe fn compare_exchange<W: AtomicWord>(dst: *mut u8, current: W, new: W) -> Result<W, Stop> {
    atomic(|routines| match W::WIDTH {
        // SAFETY: the same obligations, passed on.
        4 => unsafe { (routines.exchange4)(dst, current.widen(), new.widen()) },
        // SAFETY: the same obligations, passed on.
        _ => unsafe { (routines.exchange8)(dst, current.widen(), new.widen()) },
    })
}

/// See [`super::fetch_add`].
///
/// # Safety
///
/// As [`super::fetch_add`].
#[inline]
pub(super) unsafe fn fetch_add<W: AtomicWord>(dst: *mut u8, value: W) -> Result<W, Stop> {
    atomic(|routines| match W::WIDTH {
        // SAFETY: the same obligations, passed on.
        4 => unsafe { (routines.add4)(dst, value.widen()) },
        // SAFETY: the same obligations, passed on.
        _ => unsafe { (routines.add8)(dst, value.widen()) },
    })
}

/// Makes an attempt at an aligned word, which lies in one page: it is reached as a whole or not at all.
#[inline]
fn atomic<W: AtomicWord>(access: impl Fn(&Routines) -> Loaded) -> Result<W, Stop> {
    let attempt = || prepare::routines().map_or(Loaded::NOT_TRIED, &access);
    let loaded = attempt();
    if loaded.outcome() == DONE {
        return Ok(W::narrow(loaded.value()));
    }
    atomic_slowly(loaded, &attempt).map(W::narrow)
}

/// One attempt at a word, without saying what to do when it fails.
#[inline]
unsafe fn try_load<W: Word>(src: *const u8) -> Loaded {
    let Some(routines) = prepare::routines() else { return Loaded::NOT_TRIED };
    match W::WIDTH {
        // SAFETY: the same obligations, passed on.
        1 => unsafe { (routines.load1)(src) },
        // SAFETY: the same obligations, passed on.
        2 => unsafe { (routines.load2)(src) },
        // SAFETY: the same obligations, passed on.
        4 => unsafe { (routines.load4)(src) },
        // SAFETY: the same obligations, passed on.
        _ => unsafe { (routines.load8)(src) },
    }
}

/// One attempt at a word, without saying what to do when it fails.
#[inline]
unsafe fn try_store<W: Word>(dst: *mut u8, value: W) -> Loaded {
    let Some(routines) = prepare::routines() else { return Loaded::NOT_TRIED };
    match W::WIDTH {
        // SAFETY: the same obligations, passed on.
        1 => unsafe { (routines.store1)(dst, value.widen()) },
        // SAFETY: the same obligations, passed on.
        2 => unsafe { (routines.store2)(dst, value.widen()) },
        // SAFETY: the same obligations, passed on.
        4 => unsafe { (routines.store4)(dst, value.widen()) },
        // SAFETY: the same obligations, passed on.
        _ => unsafe { (routines.store8)(dst, value.widen()) },
    }
}

// What is left to do after a first attempt has not come through.

#[cold]
#[inline(never)]
unsafe fn load_slowly<W: Word>(src: *const u8, first: Loaded) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    match insist(first, &|| unsafe { try_load::<W>(src) })? {
        Insisted::Done(value) => Ok(W::narrow(value)),
        Insisted::Lost if in_one_page::<W>(src) => Err(Stop::lost(0)),
        Insisted::Lost => {
            let mut value = W::default();
            // SAFETY: passed on; `value` is ours, and any bytes are a value of it.
            unsafe { read(src, (&raw mut value).cast(), W::WIDTH) }?;
            Ok(value)
        }
        // SAFETY: the same obligations, passed on.
        Insisted::ByKernel => unsafe { kernel::load(src) },
    }
}

#[cold]
#[inline(never)]
unsafe fn store_slowly<W: Word>(dst: *mut u8, value: W, first: Loaded) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    match insist(first, &|| unsafe { try_store(dst, value) })? {
        Insisted::Done(_) => Ok(()),
        Insisted::Lost if in_one_page::<W>(dst) => Err(Stop::lost(0)),
        // SAFETY: passed on; `value` is ours.
        Insisted::Lost => unsafe { write(dst, (&raw const value).cast(), W::WIDTH) },
        // SAFETY: the same obligations, passed on.
        Insisted::ByKernel => unsafe { kernel::store(dst, value) },
    }
}

#[cold]
#[inline(never)]
fn atomic_slowly(first: Loaded, attempt: &dyn Fn() -> Loaded) -> Result<u64, Stop> {
    match insist(first, attempt)? {
        Insisted::Done(value) => Ok(value),
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

/// How an attempt that did not come through at first ended.
enum Insisted {
    /// With this value.
    Done(u64),
    /// A byte of it could not be reached.
    Lost,
    /// Not at all: the program has chosen kernel copies.
    ByKernel,
}

/// Makes an attempt again, after the preparation that it may lack.
///
/// Where the system does not tell a signal that was sent from one that it raised, what looked like a fault may have been
/// none: there only a second one counts.
fn insist(first: Loaded, attempt: &dyn Fn() -> Loaded) -> Result<Insisted, Stop> {
    let mut last = first;
    if last.outcome() == UNPREPARED {
        if prepare::prepare().map_err(Stop::Failed)?.is_none() {
            return Ok(Insisted::ByKernel);
        }
        last = attempt();
    }
    if last.outcome() != DONE && !handler::CERTAIN {
        last = attempt();
    }
    Ok(if last.outcome() == DONE { Insisted::Done(last.value()) } else { Insisted::Lost })
}

#[cold]
#[inline(never)]
unsafe fn read_slowly(src: *const u8, dst: *mut u8, len: usize, mut left: usize) -> Result<(), Stop> {
    if left == NOT_TRIED {
        if prepare::prepare().map_err(Stop::Failed)?.is_none() {
            // SAFETY: the same obligations, passed on.
            return unsafe { kernel::read(src, dst, len) };
        }
        // SAFETY: the same obligations, passed on.
        left = unsafe { copy_in(src, dst, len) };
    }
    if left == 0 { Ok(()) } else { Err(Stop::lost(len - left)) }
}

#[cold]
#[inline(never)]
unsafe fn write_slowly(dst: *mut u8, src: *const u8, len: usize, mut left: usize) -> Result<(), Stop> {
    if left == NOT_TRIED {
        if prepare::prepare().map_err(Stop::Failed)?.is_none() {
            // SAFETY: the same obligations, passed on.
            return unsafe { kernel::write(dst, src, len) };
        }
        // SAFETY: the same obligations, passed on.
        left = unsafe { copy_out(dst, src, len) };
    }
    if left == 0 { Ok(()) } else { Err(Stop::lost(len - left)) }
}

/// Copies from the view's side and answers how many bytes were not copied, or [`NOT_TRIED`].
#[inline]
unsafe fn copy_in(src: *const u8, dst: *mut u8, len: usize) -> usize {
    match prepare::routines() {
        // SAFETY: passed on; a thread that has routines has the handler.
        Some(routines) => unsafe { machine::copy(routines, dst, src, len, src) },
        None => NOT_TRIED,
    }
}

/// Copies to the view's side and answers how many bytes were not copied, or [`NOT_TRIED`].
#[inline]
unsafe fn copy_out(dst: *mut u8, src: *const u8, len: usize) -> usize {
    match prepare::routines() {
        // SAFETY: passed on; a thread that has routines has the handler.
        Some(routines) => unsafe { machine::copy(routines, dst, src, len, dst) },
        None => NOT_TRIED,
    }
}
