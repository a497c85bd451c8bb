//! What the owners of mappings and the flushes are synchronised by, in one place, so that a model checker can supply its own.

#![forbid(unsafe_code)]

#[cfg(not(all(test, folio_shuttle)))]
mod plain {
    pub(crate) use crate::sys::start_thread;
    pub(crate) use std::sync::atomic::AtomicPtr;
    pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
}
#[cfg(not(all(test, folio_shuttle)))]
pub(crate) use plain::*;

#[cfg(all(test, folio_shuttle))]
mod explored;
#[cfg(all(test, folio_shuttle))]
pub(crate) use explored::*;
