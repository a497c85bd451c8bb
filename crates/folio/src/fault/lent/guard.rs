//! A range that a closure is using: published while it lives, its pages brought back after.

use super::pages::{Exchange, Pages};
use super::table::{Last, Published, Table};
use std::ops::Range;

/// A range that a closure is using.
pub(crate) struct Guard<'a, X: Exchange + Sync + 'static> {
    table: &'a Table<Pages<X>>,
    lent: &'a Pages<X>,
    /// The pages that the range touches.
    pages: Range<usize>,
    /// Always there, but while the guard is being dropped.
    published: Option<Published<Pages<X>>>,
}

impl<'a, X: Exchange + Sync> Guard<'a, X> {
    /// Publishes `len` bytes (not 0) at `start`, which lie in the mapping of `lent`. `Err` with the first lost page if there is
    /// one already that another closure uses.
    pub(crate) fn new(
        table: &'a Table<Pages<X>>,
        lent: &'a Pages<X>,
        start: usize,
        len: usize,
        last: &Last<Pages<X>>,
    ) -> Result<Guard<'a, X>, usize> {
        let pages = lent.extent().pages_at(start, len);
        let mut tries = 0;
        loop {
            // SAFETY: `lent` outlives the guard, and its drop withdraws the entry.
            let published = unsafe { table.publish(start, start + len, lent, last) };
            let guard = Guard { table, lent, pages: pages.clone(), published: Some(published) };
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

impl<X: Exchange + Sync + 'static> Drop for Guard<'_, X> {
    fn drop(&mut self) {
        if let Some(published) = self.published.take() {
            published.withdraw();
        }
        self.lent.bring_back(self.pages.clone(), |page| {
            let start = self.lent.extent().start_of(page);
            self.table.in_use(start, start + self.lent.extent().page_size)
        });
    }
}
