//! The pool of huge pages, set for one test at a time and put back.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

const POOL: &str = "/proc/sys/vm/nr_hugepages";
static IN_USE: Mutex<()> = Mutex::new(());

/// A pool of exactly as many pages of the default size as asked for. Dropping it restores what was there before.
pub(crate) struct Pool {
    before: String,
    /// Other processes may be running the same tests: this file is locked as long as it is open.
    _lock: File,
    _in_use: MutexGuard<'static, ()>,
}

impl Pool {
    /// Sets the pool, or says why that cannot be done.
    pub(crate) fn set(pages: usize) -> Result<Pool, impl Display> {
        let in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let set = || {
            let lock = File::open(POOL)?;
            // SAFETY: the descriptor is open; the call takes no pointer.
            if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) } != 0 {
                return Err(io::Error::last_os_error());
            }
            let before = fs::read_to_string(POOL)?;
            let pool = Pool { before, _lock: lock, _in_use: in_use };
            fs::write(POOL, pages.to_string())?;
            Ok(pool)
        };
        match set() {
            Ok(pool) if count("HugePages_Free") == pages && count("HugePages_Total") == pages => Ok(pool),
            Ok(_) => Err(format!("the kernel gives no pool of exactly {pages} free huge pages")),
            Err(error) => Err(format!("{POOL}: {error}")),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; setting the pool has worked before.
        let _ = fs::write(POOL, &self.before);
    }
}

/// A number of `/proc/meminfo`.
pub(crate) fn count(name: &str) -> usize {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}
