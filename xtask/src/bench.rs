//! `cargo xtask bench`: the benchmarks, which are a workspace of their own.

use crate::workspace::{self, cargo, execute};
use anyhow::Result;
use xshell::cmd;

const MANIFEST: &str = "bench/Cargo.toml";

/// Code that is jumped to begins at multiples of 32 bytes, ours and that of the peers: where the linker happens to put a short loop changes
/// its time by half and more, at each build another one's.
const ALIGNED: &str = r#"build.rustflags=["-Cllvm-args=-align-all-nofallthru-blocks=5"]"#;

/// Runs the benchmarks with arguments of theirs.
///
/// # Errors
///
/// If they cannot be built, or a row gives a wrong result.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let shell = workspace::shell()?;
    let cargo = cargo();
    execute(cmd!(
        shell,
        "{cargo} run --config {ALIGNED} --release --locked --manifest-path {MANIFEST} -- {arguments...}"
    ))
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
    execute(cmd!(
        shell,
        "{cargo} clippy --config {ALIGNED} --release --locked --manifest-path {MANIFEST} -- -Dwarnings"
    ))?;
    run(&["--quick".to_owned()])
}
