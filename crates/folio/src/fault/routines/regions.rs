//! Which instructions are guarded, and where the program goes on when one of them meets a lost page.

use super::machine;

/// A row of the table that stands behind the routines, in bytes from the first of them.
#[repr(C)]
pub(super) struct Region {
    /// The first guarded instruction.
    begin: u32,
    /// The end of the last one.
    end: u32,
    /// Where to go on after a fault.
    exit: u32,
}

/// Where to go on after a fault of the instruction at `pc`; `None` when no routine contains it.
///
/// Made for the signal handler: reads constants, and calls nothing.
pub(super) fn exit_of(pc: usize) -> Option<usize> {
    let base = machine::base();
    let at = pc.checked_sub(base)?;
    // SAFETY: a constant that the assembler wrote beside the routines; nothing ever changes it.
    let regions = unsafe { &machine::REGIONS };
    let region = regions.iter().find(|region| (region.begin as usize..region.end as usize).contains(&at))?;
    Some(base + region.exit as usize)
}
