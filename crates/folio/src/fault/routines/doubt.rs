//! What routines answer when they have done all: nothing, until the first page of a mapping is exchanged; from then on, that it is doubtful
//! whether they have met what is mapped.

#![forbid(unsafe_code)]

use super::super::{Short, Tried};
use super::single::MARK;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// What changes in the answers with the first exchange. Nothing that is written more often is in its cache lines.
#[repr(align(128))]
pub(super) struct Answers {
    /// What a single access takes from its mark when it has been made: the same number, so that nothing is left of it, or one less.
    pub(super) single: AtomicU32,
    /// What a copy answers that has come to its end.
    pub(super) copy: AtomicUsize,
}

pub(super) static ANSWERS: Answers = Answers { single: AtomicU32::new(MARK), copy: AtomicUsize::new(0) };

/// [`Answers::single`] from the first exchange on.
const EXCHANGED: u32 = MARK.wrapping_sub(DOUBTFUL);
/// What is left then of the mark of an access that has been made. One that has not has no mark, and so leaves another number.
const DOUBTFUL: u32 = 1;
const _: () = {
    let missed = [0_u32.wrapping_sub(MARK), 0_u32.wrapping_sub(EXCHANGED)];
    assert!(missed[0] > DOUBTFUL && missed[1] > DOUBTFUL);
};

/// [`Answers::copy`] from the first exchange on: more bytes than there are, and not [`Short::UNTRIED`].
const COPIED: usize = usize::MAX - 1;

/// Whether no page has been exchanged.
#[inline]
pub(in super::super) fn never_exchanged() -> bool {
    ANSWERS.single.load(Ordering::Acquire) == MARK
}

/// See [`super::super::note_exchange`].
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in super::super) fn note_exchange() {
    ANSWERS.single.store(EXCHANGED, Ordering::Relaxed);
    ANSWERS.copy.store(COPIED, Ordering::Relaxed);
}

/// What came of a single access, with the value that it gave, by what is left of its mark.
#[inline]
pub(super) fn made<T>(value: T, left: u32) -> Result<Tried<T>, Short> {
    match left {
        0 => Ok(Tried::Settled(value)),
        DOUBTFUL => Ok(Tried::Doubtful(value)),
        _ => Err(Short::MISSED),
    }
}

/// What came of a copy, by its answer.
#[inline]
pub(super) fn copied(left: usize) -> Result<Tried<()>, Short> {
    match Short::new(left) {
        None => Ok(Tried::Settled(())),
        Some(_) if left == COPIED => Ok(Tried::Doubtful(())),
        Some(short) => Err(short),
    }
}
