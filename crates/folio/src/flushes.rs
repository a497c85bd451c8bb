//! Which flushes of a file are under way, so that the failure that one of them is told is known to all.

#![forbid(unsafe_code)]

use crate::background;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use crate::sys::FileId;
use std::collections::BTreeMap;
use std::io;

/// The flushes of one mapping, or of all mappings of one file.
///
/// The system reports a page that it failed to write once for each open file, to whichever flush looks first: not always to the
/// one whose page it was, nor to the mapping that it was written through. So what one is told is kept for all; and one that has
/// been told that all is well waits for those that were under way then, which may have been told its failure, and looks again.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    /// The first write-back that failed. It stays: who wants to go on maps the file anew.
    failed: OnceLock<i32>,
    running: Running,
    /// The file under which they are found.
    file: Option<FileId>,
}

/// The flushes of the files that are mapped now.
pub(crate) type Files = BTreeMap<FileId, Weak<Flushes>>;

/// Those under way in one process. What was under way in its parent stays there, and so does whoever held the lock when the
/// process was made by `fork`.
#[derive(Debug, Default)]
struct Running {
    /// Which process that is, as [`background::forks`] says.
    forks: usize,
    state: Mutex<State>,
    /// Signalled when one has ended.
    ended: Condvar,
    /// Those of a child.
    child: OnceLock<Box<Running>>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next flush.
    next: u64,
    /// The numbers of those under way.
    numbers: Vec<u64>,
}

impl Flushes {
    /// Those of all mappings of a file; new ones if the file is not mapped, or if a failure of theirs is not to be that of a new
    /// mapping.
    pub(crate) fn of_file(file: FileId) -> io::Result<Arc<Flushes>> {
        // Let go of after the lock, which its drop takes.
        let known;
        let mut files = background::files()?;
        known = files.get(&file).and_then(Weak::upgrade);
        match &known {
            Some(flushes) if flushes.failed.get().is_none() => Ok(Arc::clone(flushes)),
            _ => {
                let mut new = Flushes::default();
                new.file = Some(file);
                let new = Arc::new(new);
                files.insert(file, Arc::downgrade(&new));
                Ok(new)
            }
        }
    }

    /// The error of an earlier failure, if there was one.
    pub(crate) fn no_failure(&self) -> io::Result<()> {
        self.failed.get().map_or(Ok(()), |&code| Err(io::Error::from_raw_os_error(code)))
    }

    /// Remembers a failed write-back for all later flushes, whatever its code: each of them can be what a driver said of a page
    /// that it lost, which the system does not say again.
    pub(crate) fn remember<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Some(code) = result.as_ref().err().and_then(io::Error::raw_os_error) {
            // The first one stays.
            let _ = self.failed.set(code);
        }
        result
    }

    /// Runs a flush, and remembers its failure. If it went well, the answer comes when those that were under way at its end
    /// have ended too, and none of them has failed.
    pub(crate) fn run(&self, flush: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let running = self.running.in_this_process();
        let number = {
            let mut state = running.lock();
            let number = state.next;
            state.next += 1;
            state.numbers.push(number);
            number
        };
        let result = self.remember(flush());
        let mut state = running.lock();
        state.numbers.retain(|&other| other != number);
        running.ended.notify_all();
        result?;
        let begun = state.next;
        while state.numbers.iter().any(|&other| other < begun) {
            state = running.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.no_failure()
    }
}

impl Running {
    fn in_this_process(&self) -> &Running {
        let forks = background::forks();
        let mut running = self;
        while running.forks != forks {
            running = running.child.get_or_init(|| Box::new(Running { forks, ..Running::default() }));
        }
        running
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flushes {
    fn drop(&mut self) {
        if let (Some(file), Ok(mut files)) = (self.file, background::files()) {
            // Unless the file has been mapped again since.
            if files.get(&file).is_some_and(|flushes| flushes.strong_count() == 0) {
                files.remove(&file);
            }
        }
    }
}
