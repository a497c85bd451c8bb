//! The library over ordinary memory (`--cfg folio_heap`): its tests, and the orders in which threads can meet.

use crate::suite::Counts;
use crate::workspace::{cargo, execute, shell, target_dir, tee};
use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

/// A shell in which cargo builds with these conditions set.
fn configured(conditions: &[&str]) -> Result<Shell> {
    let shell = shell()?;
    let flags: Vec<String> = conditions.iter().map(|condition| format!("--cfg {condition}")).collect();
    shell.set_var("RUSTFLAGS", flags.join(" "));
    // A folder for each set of flags, or everything would be built again and again.
    shell.set_var("CARGO_TARGET_DIR", target_dir().join(conditions.join("-")));
    Ok(shell)
}

/// Bytes are copied one by one there, which is slow without optimization. Checks stay on.
const OPTIMIZED: &str = "profile.dev.package.folio.opt-level=1";

/// Lints the library and its tests for the heap, and runs them. Documentation tests are left out: their examples are about
/// the maps of a system.
///
/// # Errors
///
/// If there is a complaint, or a test fails.
pub(crate) fn tests() -> Result<()> {
    let shell = configured(&["folio_heap"])?;
    let cargo = cargo();
    execute(cmd!(shell, "{cargo} clippy --package folio --lib --tests --all-features -- -Dwarnings"))?;
    run(cmd!(shell, "{cargo} test --config {OPTIMIZED} --package folio --all-features --lib --tests --no-fail-fast"))
}

/// Runs the tests of what happens when threads meet, under Shuttle. Among them are some that make a mistake and have to find
/// it.
///
/// # Errors
///
/// If a test fails, or there is none.
pub(crate) fn interleavings() -> Result<()> {
    let shell = configured(&["folio_heap", "folio_shuttle"])?;
    let cargo = cargo();
    execute(cmd!(shell, "{cargo} clippy --package folio --lib --tests --all-features -- -Dwarnings"))?;
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
