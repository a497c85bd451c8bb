//! Access where mappings are ordinary memory: nothing is ever lost there, so there is no handler. What is left is that others
//! may be writing.
//!
//! Bytes go one by one, as atomics of one byte, for Rust allows no race between atomics of different sizes, and any byte may
//! be part of a copy and of a number at the same time. What makes a number one access is a lock instead, chosen by its address:
//! whoever loads or stores an aligned number, or changes it in place, holds it meanwhile. Taking and opening a lock also orders what
//! comes before a store and what comes after a load.

use super::word::{AtomicWord, Word};
use super::{Short, Stop, Tried};
use crate::sys;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock does for any number what the machine does for some.
pub(super) const ATOMIC_WIDTH: usize = 8;

/// The locks, each for the blocks of [`ATOMIC_WIDTH`] bytes whose number it is, divided by their count: an aligned number lies in
/// one block.
static LOCKS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

/// Nobody else has an aligned number at this address as long as the guard lives.
fn alone(at: *const u8) -> MutexGuard<'static, ()> {
    LOCKS[at.addr() / ATOMIC_WIDTH % LOCKS.len()].lock().unwrap_or_else(PoisonError::into_inner)
}

/// [`alone`], for a number that is promised to be one access: an aligned one.
fn one_access<W: Word>(at: *const u8) -> Option<MutexGuard<'static, ()>> {
    (W::WIDTH > 1 && at.addr() % W::WIDTH == 0).then(|| alone(at))
}

/// See [`super::try_read`].
///
/// # Safety
///
/// As [`super::try_read`].
#[inline]
pub(super) unsafe fn try_read(src: *const u8, dst: *mut u8, len: usize) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on; whoever writes a mapping that others may read goes by this module.
    unsafe { sys::copy_out(src, dst, len) };
    Ok(Tried::Settled(()))
}

/// See [`super::try_write`].
///
/// # Safety
///
/// As [`super::try_write`].
#[inline]
pub(super) unsafe fn try_write(dst: *mut u8, src: *const u8, len: usize) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { sys::copy_in(dst, src, len) };
    Ok(Tried::Settled(()))
}

/// See [`super::try_load`].
///
/// # Safety
///
/// As [`super::try_load`].
pub(super) unsafe fn try_load<W: Word>(base: *const u8, offset: usize) -> Result<Tried<W>, Short> {
    let src = base.wrapping_add(offset);
    let _lock = one_access::<W>(src);
    // SAFETY: the same obligations, passed on.
    Ok(Tried::Settled(unsafe { get(src) }))
}

/// See [`super::try_store`].
///
/// # Safety
///
/// As [`super::try_store`].
pub(super) unsafe fn try_store<W: Word>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    let _lock = one_access::<W>(dst);
    // SAFETY: the same obligations, passed on.
    unsafe { put(dst, value) };
    Ok(Tried::Settled(()))
}

/// See [`super::try_load_acquire`].
///
/// # Safety
///
/// As [`super::try_load_acquire`].
pub(super) unsafe fn try_load_acquire<W: AtomicWord>(src: *const u8) -> Result<Tried<W>, Short> {
    let _lock = alone(src);
    // SAFETY: the same obligations, passed on.
    Ok(Tried::Settled(unsafe { get(src) }))
}

/// See [`super::try_store_release`].
///
/// # Safety
///
/// As [`super::try_store_release`].
pub(super) unsafe fn try_store_release<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    let _lock = alone(dst);
    // SAFETY: the same obligations, passed on.
    unsafe { put(dst, value) };
    Ok(Tried::Settled(()))
}

/// See [`super::try_compare_exchange`].
///
/// # Safety
///
/// As [`super::try_compare_exchange`].
pub(super) unsafe fn try_compare_exchange<W: AtomicWord>(dst: *mut u8, current: W, new: W) -> Result<Tried<W>, Short> {
    let _lock = alone(dst);
    // SAFETY: the same obligations, passed on.
    let before: W = unsafe { get(dst) };
    if before.widen() == current.widen() {
        // SAFETY: the same obligations, passed on.
        unsafe { put(dst, new) };
    }
    Ok(Tried::Settled(before))
}

/// See [`super::try_fetch_add`].
///
/// # Safety
///
/// As [`super::try_fetch_add`].
pub(super) unsafe fn try_fetch_add<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<W>, Short> {
    let _lock = alone(dst);
    // SAFETY: the same obligations, passed on.
    let before: W = unsafe { get(dst) };
    // The sum of the extended numbers, cut to the width, is the sum that has wrapped around.
    let sum = W::narrow(before.widen().wrapping_add(value.widen()));
    // SAFETY: the same obligations, passed on.
    unsafe { put(dst, sum) };
    Ok(Tried::Settled(before))
}

// No attempt falls short here, so there is nothing to go on from: what follows makes the access, whole.

/// See [`super::read_on`].
///
/// # Safety
///
/// As [`super::try_read`].
pub(super) unsafe fn read_on(src: *const u8, dst: *mut u8, len: usize, _: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { sys::copy_out(src, dst, len) };
    Ok(())
}

/// See [`super::write_on`].
///
/// # Safety
///
/// As [`super::try_write`].
pub(super) unsafe fn write_on(dst: *mut u8, src: *const u8, len: usize, _: Short) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { sys::copy_in(dst, src, len) };
    Ok(())
}

/// See [`super::load_on`].
///
/// # Safety
///
/// As [`super::try_load`].
pub(super) unsafe fn load_on<W: Word>(src: *const u8, _: Short) -> Result<W, Stop> {
    let _lock = one_access::<W>(src);
    // SAFETY: the same obligations, passed on.
    Ok(unsafe { get(src) })
}

/// See [`super::store_on`].
///
/// # Safety
///
/// As [`super::try_store`].
pub(super) unsafe fn store_on<W: Word>(dst: *mut u8, value: W, _: Short) -> Result<(), Stop> {
    let _lock = one_access::<W>(dst);
    // SAFETY: the same obligations, passed on.
    unsafe { put(dst, value) };
    Ok(())
}

/// See [`super::atomic_on`].
pub(super) fn atomic_on<R>(_: Short, attempt: impl Fn() -> Result<Tried<R>, Short>) -> Result<R, Stop> {
    attempt().map(Tried::given).map_err(|_| Stop::lost(0))
}

/// The bytes of a number.
///
/// # Safety
///
/// As [`super::try_load`].
unsafe fn get<W: Word>(src: *const u8) -> W {
    let mut value = W::default();
    // SAFETY: passed on; `value` is ours, and any bytes are a value of it.
    unsafe { sys::copy_out(src, (&raw mut value).cast(), W::WIDTH) };
    value
}

/// Puts the bytes of a number.
///
/// # Safety
///
/// As [`super::try_store`].
unsafe fn put<W: Word>(dst: *mut u8, value: W) {
    // SAFETY: passed on; `value` is ours.
    unsafe { sys::copy_in(dst, (&raw const value).cast(), W::WIDTH) };
}

/// See [`super::install`].
pub(super) fn install() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "no page of ordinary memory can be lost: there is nothing to handle",
    ))
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

/// See [`super::use_kernel_copies`]. No handler is here either way.
pub(super) fn use_kernel_copies() -> io::Result<()> {
    Ok(())
}

/// Slices are lent as copies: nothing can be prepared for more.
pub(super) fn prepare() -> io::Result<Option<()>> {
    Ok(None)
}

/// See [`super::never_exchanged`]. It takes routines to exchange a page.
#[inline]
pub(super) fn never_exchanged() -> bool {
    true
}
