//! Runs a scenario in a process of its own, because a signal that goes wrong ends the whole process.

#[allow(dead_code, clippy::duplicate_mod, reason = "not every test uses all of it, and some come by it twice")]
#[path = "runner.rs"]
mod runner;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
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

    /// Whether the child has left a core dump.
    pub(crate) fn has_dumped(&self) -> bool {
        self.status.core_dumped()
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
    if is_child(test) {
        set_core_limit(|limit| limit.rlim_max = 0);
        scenario();
        process::exit(0);
    }
    wait(limit, test, &mut command(test))
}

/// [`run`], with a variable, in a folder for the core dump, if the system makes one of a process that ends by a signal.
#[track_caller]
pub(crate) fn run_dumping(folder: &Path, variable: (&str, &str), test: &str, scenario: impl FnOnce()) -> Ended {
    if is_child(test) {
        set_core_limit(|_| {});
        scenario();
        process::exit(0);
    }
    wait(LIMIT, test, command(test).current_dir(folder).env(variable.0, variable.1))
}

/// Whether this process was started for the scenario of this test.
fn is_child(test: &str) -> bool {
    env::var(VARIABLE).is_ok_and(|name| name == test)
}

/// What starts the child.
fn command(test: &str) -> Command {
    let mut command = runner::this_program();
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, test).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs a child to its end.
#[track_caller]
fn wait(limit: Duration, test: &str, command: &mut Command) -> Ended {
    let mut child = command.spawn().unwrap();
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

/// Has children that end by a signal leave as long a file behind as they may: none, if `change` makes that 0.
fn set_core_limit(change: impl FnOnce(&mut libc::rlimit)) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: only fills the structure.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) }, 0);
    change(&mut limit);
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: only reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) }, 0);
}
