//! The crates that stand in for `memmap2` and `memmap`: whether they have all of the published API, and whether they pass the
//! published tests.

mod api;
mod differences;
mod published;

use crate::workspace::{self, cargo, execute};
use anyhow::{Context, Result, ensure};
use xshell::cmd;

/// A crate of ours and what it stands in for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StandIn {
    pub(crate) name: &'static str,
    /// The version that is compared with.
    pub(crate) published: &'static str,
    /// Its own version.
    pub(crate) version: &'static str,
}

pub(crate) const STAND_INS: [StandIn; 2] = [
    StandIn { name: "memmap2", published: "0.9.12", version: "0.9.999" },
    StandIn { name: "memmap", published: "0.5.2", version: "0.5.999" },
];

impl StandIn {
    /// Ours, as cargo calls it.
    pub(crate) fn spec(self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Compares the page of differences with its tests and both APIs, runs the tests of both crates, and the published tests against both.
///
/// # Errors
///
/// If something is missing, added without being listed, or fails.
pub(crate) fn run() -> Result<()> {
    differences::check()?;
    for crate_ in STAND_INS {
        api::compare(crate_).with_context(|| format!("the API of {}", crate_.name))?;
    }
    let shell = workspace::shell()?;
    let cargo = cargo();
    for crate_ in STAND_INS {
        let spec = crate_.spec();
        execute(cmd!(shell, "{cargo} test --package {spec} --all-features"))?;
    }
    for crate_ in STAND_INS {
        let counts = published::run_tests(crate_)?;
        println!("{} {}: {} of its own tests pass against ours", crate_.name, crate_.published, counts.passed);
        ensure!(counts.failed == 0, "{} of the tests of {} fail against ours", counts.failed, crate_.name);
        ensure!(counts.passed > 10, "the tests of {} were not found", crate_.name);
    }
    Ok(())
}
