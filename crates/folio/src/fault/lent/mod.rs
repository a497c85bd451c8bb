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
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "linux.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "none.rs"]
mod system;
mod table;



use pages::{Loss, Pages};
use std::io;
use std::ptr::NonNull;
use std::ops::Range;
use system::System;
use table::{Published, Table};

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

/// The range of a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// **[L1]** `base .. base + len` is mapped as long as this is used: whole pages of `page_size` bytes, a power of two.
    pub(crate) base: NonNull<u8>,
    pub(crate) len: usize,
    pub(crate) page_size: usize,
}

impl Extent {
    /// The page that contains an address of the mapping.
    pub(crate) fn page_at(&self, address: usize) -> usize {
        (address - self.base.as_ptr().addr()) / self.page_size
    }

    /// The pages that `len` bytes (not 0) at an address of the mapping touch.
    pub(crate) fn pages_at(&self, address: usize, len: usize) -> Range<usize> {
        self.page_at(address)..self.page_at(address + (len - 1)) + 1
    }

    /// The address of a page.
    pub(crate) fn start_of(&self, page: usize) -> usize {
        self.base.as_ptr().addr() + page * self.page_size
    }
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

impl Lent {
    pub(crate) fn extent(&self) -> &Extent {
        self.exchange().extent()
    }
}

/// What it takes to lend slices of a mapping.
///
/// # Safety
///
/// The extent is one [L1], as long as the returned value lives.
pub(crate) unsafe fn new(extent: Extent, writable: bool, aside: Aside) -> io::Result<Lent> {
    // SAFETY: passed on.
    unsafe { System::lent(extent, writable, aside) }
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
        let pages = lent.extent().pages_at(start, len);
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
            let start = self.lent.extent().start_of(page);
            TABLE.in_use(start, start + self.lent.extent().page_size)
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
        let start = lent.extent().start_of(0);
        // SAFETY: passed on; the drop withdraws the entry.
        Watch(Some(unsafe { TABLE.publish(start, start + lent.extent().len, lent) }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(published) = self.0.take() {
            published.withdraw();
        }
    }
}
