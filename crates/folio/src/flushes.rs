//! Which flushes of a mapping are under way, so that the failure that one of them is told is known to all.

#![forbid(unsafe_code)]

use crate::background;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The flushes of one mapping.
///
/// The system reports a page that it failed to write once, to whichever flush looks first: not always to the one whose page
/// it was. So one that has been told that all is well waits for those that were under way then, which may have been told its
/// failure, and looks what they have noted.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next flush.
    next: u64,
    /// The numbers of those under way.
    running: Vec<u64>,
    /// How often the process had forked when those began: what was under way in a parent stays there.
    forks: usize,
}

impl Flushes {
    /// Runs a flush, and answers when those that were under way at its end have ended too, if it went well.
    pub(crate) fn run<T, E>(&self, flush: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let number = {
            let mut state = self.lock();
            let number = state.next;
            state.next += 1;
            state.running.push(number);
            number
        };
        let result = flush();
        let mut state = self.lock();
        state.running.retain(|&running| running != number);
        self.ended.notify_all();
        if result.is_ok() {
            let begun = state.next;
            while state.running.iter().any(|&running| running < begun) {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let forks = background::forks();
        if state.forks != forks {
            state.running.clear();
            state.forks = forks;
        }
        state
    }
}
