//! The routines as a table.
//!
//! Code that is inlined into other crates finds them through the table that a prepared thread keeps a pointer to. It
//! cannot name them: their symbols do not leave the linked module.

use super::machine::Copy;
use std::sync::atomic::AtomicUsize;

/// How a thread makes its accesses.
#[repr(C)]
pub(crate) struct Routines {
    pub(super) copy: Copy,
    /// From this many bytes on the copy is left to the microcode, where that is known to be fast. The copy looks it up here.
    #[cfg(target_arch = "x86_64")]
    pub(super) many: usize,
    /// What a copy answers that has come to its end: 0, or that it is doubtful once a page has been exchanged.
    pub(super) done: AtomicUsize,
}

/// Where a table is: a static of this module. (A constant may not hold a reference to what can change, in Rust 1.85.)
#[derive(Clone, Copy)]
pub(super) struct Place(*const Routines);

impl Place {
    pub(super) const fn of(routines: &'static Routines) -> Place {
        Place(routines)
    }

    #[inline]
    pub(super) fn get(self) -> &'static Routines {
        // SAFETY: made from such a reference, in `of`.
        unsafe { &*self.0 }
    }
}
