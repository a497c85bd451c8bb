//! The routines as a table.
//!
//! Code that is inlined into other crates finds them through the table that a prepared thread keeps a pointer to. It
//! cannot name them: their symbols do not leave the linked module.

use super::doubt::ANSWERS;
use super::machine::Copy;
use std::sync::atomic::AtomicUsize;

/// How a thread makes its accesses.
#[repr(C)]
pub(crate) struct Routines {
    pub(super) copy: Copy,
    /// From this many bytes on the copy is left to the microcode, where that is known to be fast. The copy looks it up here.
    #[cfg(target_arch = "x86_64")]
    pub(super) many: usize,
    /// Where it says what a copy answers that has come to its end.
    pub(super) done: Done,
}

/// [`ANSWERS.copy`](super::doubt::Answers::copy), which the copies alone look at. No reference: in Rust 1.85 a constant may not lead by
/// references to what can change, and a thread begins with a constant.
#[repr(transparent)]
pub(crate) struct Done(*const AtomicUsize);

impl Done {
    pub(super) const ANSWER: Done = Done(&raw const ANSWERS.copy);
}

// SAFETY: the address of an atomic static.
unsafe impl Sync for Done {}
