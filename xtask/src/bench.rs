//! `cargo xtask bench`: the benchmarks, which are a workspace of their own.

use crate::workspace::{self, cargo, execute};
use anyhow::Result;
use xshell::cmd;

const MANIFEST: &str = "bench/Cargo.toml";

/// Runs the benchmarks with arguments of theirs.
///
/// # Errors
///
/// If they cannot be built, or a row gives a wrong result.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let shell = workspace::shell()?;
    let cargo = cargo();
    execute(cmd!(shell, "{cargo} run --release --locked --manifest-path {MANIFEST} -- {arguments...}"))
}

/// Checks that the benchmarks are in order and that every row gives the right result.
///
/// # Errors
///
/// If not.
pub(crate) fn check() -> Result<()> {
    let shell = workspace::shell()?;
    let cargo = cargo();
    execute(cmd!(shell, "{cargo} fmt --manifest-path {MANIFEST} --check"))?;
    execute(cmd!(shell, "{cargo} clippy --release --locked --manifest-path {MANIFEST} -- -Dwarnings"))?;
    run(&["--quick".to_owned()])
}
