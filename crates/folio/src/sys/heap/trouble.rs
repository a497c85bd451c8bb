//! What the tests of interleavings have the system do, and see of it. All of a test's threads share the values: see
//! [`crate::interleavings`].

#![forbid(unsafe_code)]

use crate::sync::step;
use std::cell::Cell;
use std::io;

thread_local! {
    static REPORT: Cell<Option<i32>> = const { Cell::new(None) };
    static FLUSHED: Cell<usize> = const { Cell::new(0) };
    static UNMAPPED: Cell<usize> = const { Cell::new(0) };
}

/// Counts from 0 again.
pub(crate) fn start() {
    REPORT.set(None);
    FLUSHED.set(0);
    UNMAPPED.set(0);
}

/// Has the next flush told that a write-back has failed, and no other: systems report a failure once.
pub(crate) fn fail_once(code: i32) {
    REPORT.set(Some(code));
}

/// How many flushes there were.
pub(crate) fn flushed() -> usize {
    FLUSHED.get()
}

/// How often something was unmapped, or was to be.
pub(crate) fn unmapped() -> usize {
    UNMAPPED.get()
}

/// The system's part of a flush, which other threads may overtake at either end.
pub(crate) fn flushing() -> io::Result<()> {
    step();
    FLUSHED.set(FLUSHED.get() + 1);
    let report = REPORT.take();
    step();
    report.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
}

pub(super) fn unmapping() {
    UNMAPPED.set(UNMAPPED.get() + 1);
}
