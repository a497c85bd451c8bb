//! Plain slices for the length of a closure, over pages that may be lost meanwhile.
//!
//! The range that a closure uses stands in a [`table`] that the signal handler looks into. A page of it that cannot be
//! reached is set aside, zeros take its place, and the closure goes on; its result is discarded for an error. When no
//! closure uses the page any more it is brought back, and is what it was: lost while the file is short, data when it is long
//! again. [`pages`] holds the rules by which all other access keeps from taking those zeros for data.
//!
//! On Linux, with the routines' handler. Elsewhere, and with kernel copies, [`View::with_slice`](crate::View::with_slice)
//! lends a checked copy instead, and nothing of this is used.

#![cfg_attr(
    not(all(
        not(folio_heap),
        any(target_os = "linux", target_os = "android"),
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
    )),
    allow(dead_code, reason = "compiled everywhere, so that it stays one piece; used where pages can be exchanged")
)]

mod extent;
mod guard;
mod pages;
mod sync;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(folio_heap)))]
#[path = "linux.rs"]
mod system;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(folio_heap))))]
#[path = "none.rs"]
mod system;
mod table;

pub(crate) use extent::Extent;

use pages::{Loss, Pages};
use std::cell::Cell;
use std::io;
use system::System;
use table::{Last, Published, Table};

/// The pages of one mapping, as the handler and everybody else see them.
pub(crate) type Lent = Pages<System>;

/// What becomes of a page that is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aside {
    /// Its mapping is doubled, which takes a shared mapping.
    Doubled,
    /// Its mapping is moved, and an empty one stays.
    Moved,
    /// It is gone for good.
    Dropped,
}

static TABLE: Table<Lent> = Table::new();

/// Makes a fault at `address` harmless, if a range that is lent contains it. For the handler: true, and the instruction can be
/// tried again.
pub(super) fn recover(address: usize) -> bool {
    TABLE
        .find(address, |lent| match lent.lose(lent.extent().page_at(address)) {
            Loss::Now | Loss::Elsewhere | Loss::Before => Some(()),
            Loss::Refused => None,
        })
        .is_some()
}

/// A range that a closure is using.
pub(crate) type Guard<'a> = guard::Guard<'a, System>;

/// Publishes `len` bytes (not 0) at `start`, which lie in the mapping of `lent`: see [`guard::Guard::new`].
pub(crate) fn lend(lent: &Lent, start: usize, len: usize) -> Result<Guard<'_>, usize> {
    LAST.with(|last| guard::Guard::new(&TABLE, lent, start, len, last))
}

/// What it takes to lend slices of a mapping.
///
/// # Safety
///
/// The extent is one [L1], as long as the returned value lives.
pub(crate) unsafe fn new(extent: Extent, aside: Aside) -> io::Result<Lent> {
    // SAFETY: the same obligations, passed on.
    unsafe { System::lent(extent, aside) }
}

thread_local! {
    /// Whether this thread takes the signals of lost pages; no destructor and no late initialiser.
    static PREPARED: Cell<bool> = const { Cell::new(false) };
    /// The entry of the table that this thread had last; no destructor and no late initialiser either.
    static LAST: Last<Lent> = const { Last::new(None) };
}

/// Prepares the process and this thread for lending. `false` where slices cannot be lent and have to be copied.
///
/// Every thread that lends has to ask, also for a mapping that another one has lent before: it may block the signals.
#[inline]
pub(crate) fn prepare() -> io::Result<bool> {
    if PREPARED.get() { Ok(true) } else { prepare_first() }
}

#[cold]
fn prepare_first() -> io::Result<bool> {
    let prepared = super::way::prepare()?.is_some() && system::register_barrier();
    PREPARED.set(prepared);
    Ok(prepared)
}

/// A mapping whose lost pages stand in zeros for good.
pub(crate) struct Watch(Option<Published<Lent>>);

impl Watch {
    /// Publishes a whole mapping.
    ///
    /// # Safety
    ///
    /// `lent` lives at the same address until the value is dropped.
    pub(crate) unsafe fn new(lent: &Lent) -> Watch {
        let start = lent.extent().start_of(0);
        // SAFETY: passed on; the drop withdraws the entry.
        Watch(Some(unsafe { TABLE.publish(start, start + lent.extent().len, lent, &Last::new(None)) }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(published) = self.0.take() {
            published.withdraw();
        }
    }
}
