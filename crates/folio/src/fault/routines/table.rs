//! The routines as a table of pointers.
//!
//! Code that is inlined into other crates finds them through the table that a prepared thread keeps a pointer to. It
//! cannot name them: their symbols do not leave the linked module.

#![forbid(unsafe_code)]

use super::machine::{Add, Copy, Exchange, Load, Store};

/// One routine for each kind of access, for a processor of a certain kind.
pub(crate) struct Routines {
    pub(super) copy: Copy,
    /// From this many bytes on the copy is left to the microcode, where that is known to be fast.
    #[cfg(target_arch = "x86_64")]
    pub(super) many: usize,
    pub(super) load1: Load,
    pub(super) load2: Load,
    pub(super) load4: Load,
    pub(super) load8: Load,
    pub(super) acquire4: Load,
    pub(super) acquire8: Load,
    pub(super) store1: Store,
    pub(super) store2: Store,
    pub(super) store4: Store,
    pub(super) store8: Store,
    pub(super) release4: Store,
    pub(super) release8: Store,
    pub(super) exchange4: Exchange,
    pub(super) exchange8: Exchange,
    pub(super) add4: Add,
    pub(super) add8: Add,
}
