//! How a checked access ends that does not come through.

#![forbid(unsafe_code)]

use super::Fault;
use std::io;
use std::sync::atomic::Ordering;

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
