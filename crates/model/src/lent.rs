//! The files of the library, as they are, with another `sync`.

#![allow(dead_code, reason = "the models use a part")]

#[path = "../../folio/src/fault/lent/extent.rs"]
pub(crate) mod extent;
#[path = "../../folio/src/fault/lent/guard.rs"]
pub(crate) mod guard;
#[path = "../../folio/src/fault/lent/pages.rs"]
pub(crate) mod pages;
#[path = "../../folio/src/fault/lent/table.rs"]
pub(crate) mod table;

/// What the library takes from the standard library, from the checker.
pub(crate) mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

    /// Nothing changes before another thread has run.
    pub(crate) fn spin() {
        loom::thread::yield_now();
    }
}
