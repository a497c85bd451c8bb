//! Runs a scenario in a process of its own, because a signal that goes wrong ends the whole process.

#[allow(dead_code, clippy::duplicate_mod, reason = "not every test uses all of it, and some come by it twice")]
#[path = "runner.rs"]
mod runner;

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, io::Read, process, thread};

/// Names the scenario that a child is to run.
const VARIABLE: &str = "FOLIO_SCENARIO";

/// No scenario takes longer, on the busiest machine and the slowest emulator; one that does hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    stderr: String,
}

impl Ended {
    /// The scenario came to its end.
    #[track_caller]
    pub(crate) fn well(&self) {
        assert!(self.status.success(), "{self:?}");
    }

    /// What the child has written to its standard error.
    pub(crate) fn said(&self) -> &str {
        &self.stderr
    }

    /// This signal ended the child.
    #[track_caller]
    pub(crate) fn by_signal(&self, signal: i32) -> &Ended {
        assert_eq!(self.status.signal(), Some(signal), "{self:?}");
        self
    }

    /// What the child said before it ended.
    #[track_caller]
    pub(crate) fn saying(&self, what: &str) {
        assert!(self.stderr.contains(what), "{self:?}");
    }
}

/// Runs `scenario` in a child process. `test` is the name of the calling test, as the test harness knows it.
///
/// The child is this program again, told to run that test alone; so this function is called a second time there, and
/// does not return.
#[track_caller]
pub(crate) fn run(test: &str, scenario: impl FnOnce()) -> Ended {
    run_for(LIMIT, test, scenario)
}

/// [`run`] with another limit.
#[track_caller]
pub(crate) fn run_for(limit: Duration, test: &str, scenario: impl FnOnce()) -> Ended {
    if env::var(VARIABLE).is_ok_and(|name| name == test) {
        without_core_file();
        scenario();
        process::exit(0);
    }
    let mut child = runner::this_program()
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, test)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{test} hangs: {}", reader.join().unwrap());
        }
        thread::sleep(Duration::from_millis(2));
    };
    Ended { status, stderr: reader.join().unwrap() }
}

/// Children that end by a signal leave no file behind.
fn without_core_file() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: only reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) }, 0);
}
