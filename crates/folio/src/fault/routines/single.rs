//! Single accesses: inline assembly that may stand anywhere in the program, in other crates and libraries too. No table could
//! list the places, so each tells the handler by registers that it is one, and where to go on.

#![forbid(unsafe_code)]

use super::machine::BLOCK;

/// The widest access, in bytes.
const WIDEST: usize = 8;

/// What is in a register while an access is made: another number in each version of the crate, whose handlers may be in one
/// program.
pub(super) const MARK: u32 = {
    // FNV-1a.
    let version = symbol!("single").as_bytes();
    let (mut mark, mut at) = (0x811c_9dc5_u32, 0);
    while at < version.len() {
        mark = (mark ^ version[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    mark
};

/// What the registers say in the moment of a fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single {
    /// The instruction.
    pub(super) pc: usize,
    /// What it accesses, in two parts.
    pub(super) base: usize,
    pub(super) offset: usize,
    /// Where to go on after a fault.
    pub(super) exit: usize,
    pub(super) mark: usize,
}

impl Single {
    /// Whether this is one of our accesses, and touches a byte from `start` to `end`.
    ///
    /// Made for the signal handler: calculates, and calls nothing. Code that is not ours would need our mark, an address close
    /// behind itself and the parts of the very address that it could not reach, each in the right register. Code around an access of
    /// ours may have all that, which stays in the registers, but is not as close.
    pub(super) fn touches(&self, start: usize, end: usize) -> bool {
        let begin = self.base.wrapping_add(self.offset);
        self.mark == MARK as usize
            && (1..=BLOCK).contains(&self.exit.wrapping_sub(self.pc))
            && begin < end
            && start < begin.saturating_add(WIDEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_single_accesss_if_everything_about_it_is_right() {
        let right = Single { pc: 1000, base: 4000, offset: 96, exit: 1006, mark: MARK as usize };
        let touches = |change: fn(&mut Single)| {
            let mut changed = right;
            change(&mut changed);
            changed.touches(4096, 4097)
        };
        assert!(touches(|_| ()));
        assert!(touches(|single| single.offset -= 7));
        assert!(touches(|single| (single.base, single.offset) = (4196, 100_usize.wrapping_neg())));
        assert!(!touches(|single| single.offset -= 8));
        assert!(!touches(|single| single.offset += 1));
        assert!(!touches(|single| single.mark += 1));
        assert!(!touches(|single| single.mark |= 1 << 33));
        assert!(!touches(|single| single.exit = single.pc));
        assert!(!touches(|single| single.exit -= 100));
        assert!(!touches(|single| single.exit += BLOCK));
    }
}
