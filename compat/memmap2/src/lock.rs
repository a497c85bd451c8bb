//! Locks that do not count, over locks that do.

#![forbid(unsafe_code)]

#[cfg(unix)]
use folio::{Access, View};
use std::sync::atomic::AtomicUsize;
#[cfg(unix)]
use std::{io, sync::atomic::Ordering};

/// How often a map has been locked: memmap2's `unlock` takes all of it back, as the system does, and folio's takes one.
#[derive(Debug, Default)]
pub(crate) struct Locks(#[cfg_attr(not(unix), allow(dead_code, reason = "memmap2 locks on Unix only"))] AtomicUsize);

#[cfg(unix)]
impl Locks {
    pub(crate) fn lock<A: Access>(&self, view: &View<A>) -> io::Result<()> {
        view.lock()?;
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn unlock<A: Access>(&self, view: &View<A>) -> io::Result<()> {
        (0..self.0.swap(0, Ordering::Relaxed)).try_for_each(|_| view.unlock())
    }
}
