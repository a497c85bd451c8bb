//! Access where there are no routines for the architecture or the system: the kernel copies, and there is no handler.

use super::word::{AtomicWord, Word};
use super::{Short, Stop, Tried, kernel};
use std::io;

/// Kernel copies promise nothing about words.
pub(super) const ATOMIC_WIDTH: usize = 1;

/// See [`super::try_read`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_read(_: *const u8, _: *mut u8, _: usize) -> Result<Tried<()>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::try_write`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_write(_: *mut u8, _: *const u8, _: usize) -> Result<Tried<()>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::try_load`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_load<W: Word>(_: *const u8, _: usize) -> Result<Tried<W>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::try_store`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_store<W: Word>(_: *mut u8, _: W) -> Result<Tried<()>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::read_on`].
///
/// # Safety
///
/// As [`super::try_read`].
pub(super) unsafe fn read_on(src: *const u8, dst: *mut u8, len: usize, _: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::read(src, dst, len) }
}

/// See [`super::write_on`].
///
/// # Safety
///
/// As [`super::try_write`].
pub(super) unsafe fn write_on(dst: *mut u8, src: *const u8, len: usize, _: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::write(dst, src, len) }
}

/// See [`super::load_on`].
///
/// # Safety
///
/// As [`super::try_load`].
pub(super) unsafe fn load_on<W: Word>(src: *const u8, _: Short) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::load(src) }
}

/// See [`super::store_on`].
///
/// # Safety
///
/// As [`super::try_store`].
pub(super) unsafe fn store_on<W: Word>(dst: *mut u8, value: W, _: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::store(dst, value) }
}

/// See [`super::try_load_acquire`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_load_acquire<W: AtomicWord>(_: *const u8) -> Result<Tried<W>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::try_store_release`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_store_release<W: AtomicWord>(_: *mut u8, _: W) -> Result<Tried<()>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::try_compare_exchange`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_compare_exchange<W: AtomicWord>(_: *mut u8, _: W, _: W) -> Result<Tried<W>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::try_fetch_add`].
///
/// # Safety
///
/// None.
#[inline]
pub(super) unsafe fn try_fetch_add<W: AtomicWord>(_: *mut u8, _: W) -> Result<Tried<W>, Short> {
    Err(Short::UNTRIED)
}

/// See [`super::atomic_on`].
pub(super) fn atomic_on<R>(_: Short, _: impl Fn() -> Result<Tried<R>, Short>) -> Result<R, Stop> {
    Err(kernel::no_atomics())
}

/// See [`super::install`].
pub(super) fn install() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "checked access needs no fault handler on this platform"))
}

/// See [`super::is_installed`].
pub(super) fn is_installed() -> bool {
    false
}

/// See [`super::atomic_width`].
pub(super) fn atomic_width() -> usize {
    ATOMIC_WIDTH
}

/// See [`super::prepare_thread`].
pub(super) fn prepare_thread() -> io::Result<()> {
    Ok(())
}

/// See [`super::use_kernel_copies`].
pub(super) fn use_kernel_copies() -> io::Result<()> {
    Ok(())
}

/// Nothing is ever prepared for routines here.
pub(super) fn prepare() -> io::Result<Option<()>> {
    Ok(None)
}

/// See [`super::never_exchanged`]. It takes routines to exchange a page.
#[inline]
pub(super) fn never_exchanged() -> bool {
    true
}

/// Never called.
#[allow(dead_code, reason = "pages are exchanged on Linux alone")]
pub(super) fn note_exchange() {
    unreachable!("no page is exchanged without routines");
}
