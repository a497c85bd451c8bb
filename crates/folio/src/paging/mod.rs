//! A view's pages: hints, bringing them in, keeping them there, and which are.
//!
//! Every call touches the pages that hold the bytes of its range, and no other one: the rounding, outward to whole pages of the
//! mapping, is done here.

mod advise;
mod discard;
mod intervals;
mod lock;
mod populate;
mod residency;

pub use advise::{Advice, UncheckedAdvice};
pub use lock::LockGuard;
pub(crate) use lock::Locks;
pub use populate::PopulateSteps;
pub use residency::{Residency, ResidentRanges};

use crate::range;
use crate::view::{Access, View};
use std::io;
use std::ptr::NonNull;

impl<A: Access> View<A> {
    /// The pages of a range of the view, as address and length; `None` for a range of no bytes.
    fn pages(&self, offset: usize, len: usize) -> io::Result<Option<(NonNull<u8>, usize)>> {
        range::check(offset, len, self.len())?;
        if len == 0 {
            return Ok(None);
        }
        let (first, len) = self.mapping().pages_of(self.start() + offset, len);
        Ok(Some((self.mapping().address_of(first), len)))
    }
}
