//! Plain slices for the length of a closure, over pages that may be lost meanwhile.
//!
//! The range that a closure uses stands in a [table](table) that the signal handler looks into. A page of it that cannot be
//! reached is set aside, zeros take its place, and the closure goes on; its result is discarded for an error. When no
//! closure uses the page any more it is brought back, and is what it was: lost while the file is short, data when it is long
//! again. [`pages`] holds the rules by which all other access keeps from taking those zeros for data.
//!
//! On Linux, with the routines' handler. Elsewhere, and with kernel copies, [`View::with_slice`](crate::View::with_slice)
//! lends a checked copy instead, and nothing of this is used.

mod pages;
mod sync;
mod system;
mod table;

pub(crate) use pages::Pages;
pub(crate) use system::System;

use pages::Loss;
use std::io;
use std::ops::Range;
use table::{Published, Table};

/// The pages of one mapping, as the handler and everybody else see them.
pub(crate) type Lent = Pages<System>;

static TABLE: Table<Lent> = Table::new();

/// Makes a fault at `address` harmless, if a range that is lent contains it. For the handler: true, and the instruction can be
/// tried again.
pub(super) fn recover(address: usize) -> bool {
    TABLE
        .find(address, |lent| match lent.lose(lent.exchange().page_at(address)) {
            Loss::Now | Loss::Elsewhere | Loss::Before => Some(()),
            Loss::Refused => None,
        })
        .is_some()
}

/// Prepares the process and this thread for lending. `false` where slices cannot be lent and have to be copied.
pub(crate) fn prepare() -> io::Result<bool> {
    Ok(super::way::prepare()?.is_some() && system::register_barrier())
}

/// A range that a closure is using.
pub(crate) struct Guard<'a> {
    lent: &'a Lent,
    /// The pages that the range touches.
    pages: Range<usize>,
    /// Always there, but while the guard is being dropped.
    published: Option<Published<Lent>>,
}

impl<'a> Guard<'a> {
    /// Publishes `len` bytes (not 0) at `start`, which lie in the mapping of `lent`. `Err` with the first lost page if there is
    /// one already that another closure uses.
    pub(crate) fn new(lent: &'a Lent, start: usize, len: usize) -> Result<Guard<'a>, usize> {
        let pages = lent.exchange().pages_at(start, len);
        let mut tries = 0;
        loop {
            // SAFETY: `lent` outlives the guard, and its drop withdraws the entry.
            let published = unsafe { TABLE.publish(start, start + len, lent) };
            let guard = Guard { lent, pages: pages.clone(), published: Some(published) };
            let Some(lost) = guard.first_lost() else {
                return Ok(guard);
            };
            // Dropping the guard brings the page back, unless another closure is still at it.
            drop(guard);
            tries += 1;
            if tries == 2 {
                return Err(lost);
            }
        }
    }

    /// The first page of the range that stands in zeros, or did at any time since the guard was made [P3].
    pub(crate) fn first_lost(&self) -> Option<usize> {
        self.lent.first_lost(self.pages.clone())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(published) = self.published.take() {
            published.withdraw();
        }
        self.lent.bring_back(self.pages.clone(), |page| {
            let (start, end) = self.lent.exchange().bounds(page);
            TABLE.in_use(start, end)
        });
    }
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
        let (start, end) = lent.exchange().range();
        // SAFETY: passed on; the drop withdraws the entry.
        Watch(Some(unsafe { TABLE.publish(start, end, lent) }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(published) = self.0.take() {
            published.withdraw();
        }
    }
}
