//! The library as users run it: optimized, with overflow unchecked.

use crate::lints;
use crate::workspace::{self, cargo, execute, root, target_dir};
use anyhow::Result;
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// What makes the test that tortures short: `cargo test --workspace`, before these steps, does it at length.
const SHORT_TORTURE: (&str, &str) = ("FOLIO_TORTURE_SECONDS", "5");

/// The tests that are also run as users run the library: those of arithmetic, of access and faults, and of races, and those with code that
/// depends on features. What the others are about is what the system does, whatever the code that asks it.
const OPTIMIZED: [&str; 19] = [
    "background",
    "claims",
    "contract",
    "discard",
    "exceptions",
    "failure",
    "interrupted",
    "lend",
    "matrix",
    "model",
    "numbers",
    "once",
    "ranges",
    "remap",
    "signals",
    "slices",
    "syscalls",
    "torture",
    "two_processes",
];

/// What the release profile says, for the library and its tests alone. In that profile all that the tests depend on would be built once
/// more, and be optimized for longer than it runs; by these it is what all other steps have.
const PROFILE: [&str; 10] = [
    "--config",
    "profile.dev.package.folio.opt-level=3",
    "--config",
    "profile.dev.package.folio.debug-assertions=false",
    "--config",
    "profile.dev.package.folio.overflow-checks=false",
    "--config",
    "profile.dev.package.folio.codegen-units=16",
    "--config",
    "profile.dev.package.folio.debug=0",
];

/// Lints the library, its examples and [those](OPTIMIZED) of its tests, with every feature, and runs the tests.
///
/// # Errors
///
/// If there is a complaint, or a test fails.
pub(crate) fn tests() -> Result<()> {
    let shell = shell()?;
    let cargo = cargo();
    // Tests run the examples, which `cargo test` only builds if it is to run the documentation too.
    execute(cmd!(shell, "{cargo} build {PROFILE...} --package folio --all-features --examples"))?;
    let programs = shell.create_dir(programs().join("deps"))?;
    let script = root().join("xtask/shims/run_beside.sh");
    let runner = format!("target.\"cfg(all())\".runner=[{script:?}, {programs:?}]");
    let tests = OPTIMIZED.iter().map(|test| format!("--test={test}"));
    let tests =
        cmd!(shell, "{cargo} test {PROFILE...} --config {runner} --package folio --all-features --lib").args(tests);
    execute(tests.env(SHORT_TORTURE.0, SHORT_TORTURE.1))
}

/// Runs the example that shows the library at work.
///
/// # Errors
///
/// If it fails.
pub(crate) fn tour() -> Result<()> {
    let shell = shell()?;
    let cargo = cargo();
    execute(cmd!(shell, "{cargo} run {PROFILE...} --package folio --all-features --example tour"))
}

/// Where the examples lie that are built here.
fn programs() -> PathBuf {
    target_dir().join("optimized").join("debug")
}

/// A shell in which cargo builds where it always does, but puts the examples, which have the same names however they are built, into a
/// folder of their own. (A cargo before 1.91 knows no second folder, and builds everything there.)
fn shell() -> Result<Shell> {
    let shell = workspace::shell()?;
    shell.set_var("CARGO_BUILD_BUILD_DIR", target_dir());
    shell.set_var("CARGO_TARGET_DIR", target_dir().join("optimized"));
    // As in the release profile.
    shell.set_var("CARGO_INCREMENTAL", "0");
    lints::while_compiling(&shell, lints::DRIVER, &[]);
    Ok(shell)
}
