//! Copies of bytes that others may be writing, as the memory model of Rust has them.

use std::sync::atomic::{AtomicU8, Ordering};

/// Copies bytes out of a mapping, one by one, each by a relaxed load.
///
/// # Safety
///
/// - `from .. from + len` lies in a mapping made by this backend that stays mapped for the length of the call, and nobody
///   writes there meanwhile but by [`copy_in`].
/// - `to .. to + len` is valid for writes and overlaps nothing that anybody else reads or writes meanwhile.
#[inline]
pub(crate) unsafe fn copy_out(from: *const u8, to: *mut u8, len: usize) {
    for at in 0..len {
        // SAFETY: the byte lies in memory that can be read and written, and stays so meanwhile (caller). All who race for it go
        // by atomics of this size.
        let byte = unsafe { AtomicU8::from_ptr(from.wrapping_add(at).cast_mut()) };
        let byte = byte.load(Ordering::Relaxed);
        // SAFETY: `at < len`, so this is one of the bytes that may be written (caller).
        unsafe { to.wrapping_add(at).write(byte) };
    }
}

/// Copies bytes into a mapping, one by one, each by a relaxed store.
///
/// # Safety
///
/// - `to .. to + len` lies in a mapping made by this backend that stays mapped for the length of the call; no reference to
///   those bytes exists, and nobody reads or writes there meanwhile but by this and [`copy_out`].
/// - `from .. from + len` is valid for reads, and nobody writes there meanwhile.
#[inline]
pub(crate) unsafe fn copy_in(to: *mut u8, from: *const u8, len: usize) {
    for at in 0..len {
        // SAFETY: `at < len`, so this is one of the bytes that may be read (caller).
        let byte = unsafe { from.wrapping_add(at).read() };
        // SAFETY: the byte lies in memory that can be written, and stays so meanwhile; nobody has a reference to it (caller).
        let place = unsafe { AtomicU8::from_ptr(to.wrapping_add(at)) };
        place.store(byte, Ordering::Relaxed);
    }
}
