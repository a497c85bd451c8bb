//! A test that may end its process, or changes something that belongs to the whole process, runs in a child: the same
//! test of the same binary, started again with the case to run in its environment.

#[allow(dead_code, clippy::duplicate_mod, reason = "not every test uses all of it, and some come by it twice")]
#[path = "runner.rs"]
mod runner;

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const CASE: &str = "FOLIO_TEST_CASE";

/// The case that this process was started for, if it is such a child.
pub(crate) fn case() -> Option<String> {
    let case = env::var(CASE).ok()?;
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // A child that dies on purpose leaves no core file.
    // SAFETY: the call reads the structure, which lives until after it.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    Some(case)
}

/// The command that runs `test`, and nothing else, as the child for `case`. `program` is what to start it with (a tracer
/// and its options), empty for nothing.
pub(crate) fn command(program: &[&str], test: &str, case: &str) -> Command {
    let own = env::current_exe().expect("the path of the running test");
    let mut command = runner::traced(program, own);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CASE, case).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// How a child ended.
#[derive(PartialEq, Eq)]
pub(crate) enum End {
    /// It ran to its end and every assertion in it held.
    Passed,
    /// An assertion failed, or it ended early; what it printed.
    Failed(String),
    /// A signal ended it.
    Signal(i32),
}

impl fmt::Debug for End {
    /// With what the child printed as it stands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Passed => f.write_str("Passed"),
            End::Failed(text) => write!(f, "Failed, and printed\n{text}"),
            End::Signal(signal) => write!(f, "Signal({signal})"),
        }
    }
}

/// Runs a child, and says how it ended.
pub(crate) fn run(command: &mut Command) -> End {
    let output = command.output().expect("the child can be started");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("running 1 test"), "the child ran another number of tests: {text}");
    for skipped in text.lines().filter(|line| line.starts_with("skipped: ")) {
        // Past the output capture, as in `support/skip.rs`.
        let _ = io::stderr().write_all(format!("{skipped}\n").as_bytes());
    }
    match (output.status.signal(), output.status.success()) {
        (Some(signal), _) => End::Signal(signal),
        (None, true) => End::Passed,
        (None, false) => End::Failed(text),
    }
}
