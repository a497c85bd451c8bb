//! Programs of the tests' own kind, started by a test or an example: through an emulator, where cargo runs
//! the tests through one.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

/// A command that runs `program`, which was built for the same system as this one.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    traced(&[], program)
}

/// A command that runs this program once more.
pub(crate) fn this_program() -> Command {
    command(env::current_exe().expect("the path of the running test"))
}

/// [`command`], with a program of this machine, and its options, in front: a tracer.
pub(crate) fn traced(tracer: &[&str], program: impl AsRef<OsStr>) -> Command {
    let emulator = emulator();
    let before = tracer.iter().copied().chain(emulator.split_whitespace()).map(OsStr::new);
    let mut words = before.chain([program.as_ref()]);
    let mut command = Command::new(words.next().expect("at least the program itself"));
    command.args(words);
    command
}

/// Whether this program runs through an emulator.
pub(crate) fn is_emulated() -> bool {
    !emulator().is_empty()
}

/// What cargo runs the tests with, if this is not a machine of their kind: a program and its options, from the variable
/// that cargo has it from.
fn emulator() -> String {
    let start = format!("CARGO_TARGET_{}_", env::consts::ARCH.to_uppercase());
    let is_runner = |(name, _): &(String, String)| name.starts_with(&start) && name.ends_with("_RUNNER");
    env::vars().find(is_runner).map(|(_, emulator)| emulator).unwrap_or_default()
}
