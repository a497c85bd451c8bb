//! Where pages cannot be exchanged: slices are lent as copies, and no page of a mapping ever stands in zeros.

use super::pages::Exchange;
use super::{Aside, Extent, Lent};
use std::io;

/// There is none.
pub(crate) enum System {}

impl System {
    /// Always refuses.
    ///
    /// # Safety
    ///
    /// None.
    pub(crate) unsafe fn lent(_extent: Extent, _aside: Aside) -> io::Result<Lent> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Never so.
pub(super) fn register_barrier() -> bool {
    false
}

impl Exchange for System {
    fn extent(&self) -> &Extent {
        match *self {}
    }

    fn barrier(&self) {
        match *self {}
    }

    fn set_aside(&self, _page: usize) -> bool {
        match *self {}
    }

    fn bring_back(&self, _page: usize) -> bool {
        match *self {}
    }
}
