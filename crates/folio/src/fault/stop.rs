//! How a checked access falls short, and how it ends that does not come through.

#![forbid(unsafe_code)]

use super::Fault;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

/// How far the first attempt at an access came that fell short: all that [`read_on`](super::read_on) and its like need to
/// know, in one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short(NonZeroUsize);

impl Short {
    /// Nothing was tried: the thread has not been prepared, or the kernel has to do it.
    #[allow(dead_code, reason = "nothing falls short where mappings are ordinary memory")]
    pub(crate) const UNTRIED: Short = Short(NonZeroUsize::MAX);

    /// The one access that there was to make was not made.
    #[allow(dead_code, reason = "routines alone get so far")]
    pub(crate) const MISSED: Short = Short(NonZeroUsize::MIN);

    /// `left` bytes of a copy are left to do; `None` if that is 0.
    #[allow(dead_code, reason = "routines alone get so far")]
    #[inline]
    pub(crate) fn new(left: usize) -> Option<Short> {
        NonZeroUsize::new(left).map(Short)
    }

    /// How many bytes of a copy are left to do.
    #[allow(dead_code, reason = "routines alone get so far")]
    pub(crate) fn left(self) -> usize {
        self.0.get()
    }
}

/// What the first attempt at an access gave, if it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried<T> {
    /// No page of any mapping of this process had ever been exchanged.
    Settled(T),
    /// Some had. Whether the pages of these bytes were among them is for the caller to find out.
    #[allow(dead_code, reason = "pages are exchanged where there are routines")]
    Doubtful(T),
}

impl<T> Tried<T> {
    /// What it gave.
    #[inline]
    pub(crate) fn given(self) -> T {
        match self {
            Tried::Settled(given) | Tried::Doubtful(given) => given,
        }
    }

    /// The same of something made of it.
    #[inline]
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Tried<U> {
        match self {
            Tried::Settled(given) => Tried::Settled(f(given)),
            Tried::Doubtful(given) => Tried::Doubtful(f(given)),
        }
    }
}

/// Why a checked copy stopped.
#[derive(Debug)]
pub enum Stop {
    /// The byte at this offset of the view's side was the first that could not be reached. Those before it were
    /// copied.
    Fault(usize),
    /// The copy could not be made for a reason that has nothing to do with the memory (no descriptor left for the
    /// fall-back, say).
    Failed(io::Error),
}

impl Stop {
    /// The byte at `at` could not be reached.
    #[cold]
    pub(crate) fn lost(at: usize) -> Stop {
        Stop::Fault(at)
    }

    /// The public error, for an access that began at byte `base` of the view. A fault is counted here, where the access ends: it
    /// may have been made more than once.
    #[cold]
    pub(crate) fn into_error(self, base: usize) -> io::Error {
        match self {
            Stop::Fault(at) => {
                super::COUNT.fetch_add(1, Ordering::Relaxed);
                io::Error::other(Fault { offset: base + at })
            }
            Stop::Failed(error) => error,
        }
    }
}
