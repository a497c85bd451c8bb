//! Access where there are no routines for the architecture or the system: the kernel copies, and there is no handler.

use super::word::{AtomicWord, Word};
use super::{Stop, kernel};
use std::io;

pub(super) use kernel::{read, write};

/// Kernel copies promise nothing about words.
pub(super) const ATOMIC_WIDTH: usize = 1;

/// See [`super::load`].
///
/// # Safety
///
/// As [`super::load`].
pub(super) unsafe fn load<W: Word>(src: *const u8) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::load(src) }
}

/// See [`super::store`].
///
/// # Safety
///
/// As [`super::store`].
pub(super) unsafe fn store<W: Word>(dst: *mut u8, value: W) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { kernel::store(dst, value) }
}

/// See [`super::load_acquire`].
///
/// # Safety
///
/// None.
pub(super) unsafe fn load_acquire<W: AtomicWord>(_: *const u8) -> Result<W, Stop> {
    Err(kernel::no_atomics())
}

/// See [`super::store_release`].
///
/// # Safety
///
/// None.
pub(super) unsafe fn store_release<W: AtomicWord>(_: *mut u8, _: W) -> Result<(), Stop> {
    Err(kernel::no_atomics())
}

/// See [`super::compare_exchange`].
///
/// # Safety
///
/// None.
pub(super) unsafe fn compare_exchange<W: AtomicWord>(_: *mut u8, _: W, _: W) -> Result<W, Stop> {
    Err(kernel::no_atomics())
}

/// See [`super::fetch_add`].
///
/// # Safety
///
/// None.
pub(super) unsafe fn fetch_add<W: AtomicWord>(_: *mut u8, _: W) -> Result<W, Stop> {
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
