//! The routines as a table.
//!
//! Code that is inlined into other crates finds them through the table that a prepared thread keeps a pointer to. It
//! cannot name them: their symbols do not leave the linked module.

#![forbid(unsafe_code)]

use super::machine::Copy;

/// How a thread makes its accesses.
#[repr(C)]
pub(crate) struct Routines {
    pub(super) copy: Copy,
    /// From this many bytes on the copy is left to the microcode, where that is known to be fast. The copy looks it up here.
    #[cfg(target_arch = "x86_64")]
    pub(super) many: usize,
}
