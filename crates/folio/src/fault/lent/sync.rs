//! The synchronisation that the table and the pages are made of, in one place, so that the model checker of `crates/model`,
//! which compiles the same files, can supply its own.

#![forbid(unsafe_code)]

pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

/// Lets others go on.
pub(crate) fn spin() {
    std::thread::yield_now();
}
