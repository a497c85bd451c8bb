//! The library over ordinary memory (`--cfg folio_heap`): its tests, and the orders in which threads can meet.

use crate::lints;
use crate::suite::Counts;
use crate::workspace::{cargo, shell, target_dir, tee};
use anyhow::{Result, ensure};
use xshell::cmd;

/// Bytes are copied one by one there, which is slow without optimization. Checks stay on.
const OPTIMIZED: &str = "profile.dev.package.folio.opt-level=1";

/// Lints the library and its tests for the heap, and runs them. Documentation tests are left out: their examples are about
/// the maps of a system.
///
/// # Errors
///
/// If there is a complaint, or a test fails.
pub(crate) fn tests() -> Result<()> {
    let shell = shell()?;
    let cargo = cargo();
    lints::while_compiling(&shell, lints::DRIVER, &["--cfg", "folio_heap"]);
    run(cmd!(shell, "{cargo} test --config {OPTIMIZED} --package folio --all-features --lib --tests --no-fail-fast"))
}

/// Runs the tests of what happens when threads meet, under Shuttle, with lints. Among them are some that make a mistake and have to
/// find it.
///
/// # Errors
///
/// If there is a complaint, a test fails, or there is none.
pub(crate) fn interleavings() -> Result<()> {
    let shell = shell()?;
    let cargo = cargo();
    // Here cargo has to know, for it is what the dependency on Shuttle hangs on; so all dependencies are built once more.
    shell.set_var("RUSTFLAGS", "--cfg folio_heap --cfg folio_shuttle");
    shell.set_var("CARGO_TARGET_DIR", target_dir().join("shuttle"));
    lints::while_compiling(&shell, lints::DRIVER, &[]);
    run(cmd!(shell, "{cargo} test --config {OPTIMIZED} --package folio --lib interleavings::"))
}

/// Runs tests and prints how many there were.
fn run(command: xshell::Cmd<'_>) -> Result<()> {
    let outcome = tee(command)?;
    let counts = Counts::of(&outcome.stdout);
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    ensure!(outcome.success && counts.passed > 0, "{} tests failed", counts.failed);
    Ok(())
}
