//! A test that may end its process, or changes something that belongs to the whole process, runs in a child: the same
//! test of the same binary, started again with the case to run in its environment.

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
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
    let runner = runner();
    let mut words = program.iter().copied().chain(runner.split_whitespace()).map(Path::new).chain([own.as_path()]);
    let mut command = Command::new(words.next().expect("at least the test itself"));
    command.args(words).args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CASE, case).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// What cargo runs the tests with, if this is not a machine of their kind: an emulator and its options, from the variable
/// that cargo has it from.
fn runner() -> String {
    let start = format!("CARGO_TARGET_{}_", env::consts::ARCH.to_uppercase());
    let is_runner = |(name, _): &(String, String)| name.starts_with(&start) && name.ends_with("_RUNNER");
    env::vars().find(is_runner).map(|(_, runner)| runner).unwrap_or_default()
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
