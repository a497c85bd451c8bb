//! The routines as a table of pointers.
//!
//! Code that is inlined into other crates finds them through the table that a prepared thread keeps a pointer to. It
//! cannot name them: their symbols do not leave the linked module.

#![forbid(unsafe_code)]

use super::machine::{Copy, Single};

/// One routine for each kind of access, for a processor of a certain kind.
#[repr(C)]
pub(crate) struct Routines {
    pub(super) copy: Copy,
    /// From this many bytes on the copy is left to the microcode, where that is known to be fast. The copy looks it up here.
    #[cfg(target_arch = "x86_64")]
    pub(super) many: usize,
    pub(super) load1: Single,
    pub(super) load2: Single,
    pub(super) load4: Single,
    pub(super) load8: Single,
    pub(super) acquire4: Single,
    pub(super) acquire8: Single,
    pub(super) store1: Single,
    pub(super) store2: Single,
    pub(super) store4: Single,
    pub(super) store8: Single,
    pub(super) release4: Single,
    pub(super) release8: Single,
    pub(super) exchange4: Single,
    pub(super) exchange8: Single,
    pub(super) add4: Single,
    pub(super) add8: Single,
}
