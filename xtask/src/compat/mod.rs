//! The crates that stand in for `memmap2` and `memmap`: whether they have all of the published API, and whether they pass the
//! published tests.

mod api;
mod differences;
mod published;

use crate::suite::Suite;
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
    /// How many tests the published one has, on Linux on an x86-64 processor.
    tests: Tests,
}

/// Numbers of published tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tests {
    /// Those in its sources, but for those that are about other platforms.
    unit: u32,
    /// Examples in its documentation.
    examples: u32,
}

pub(crate) const STAND_INS: [StandIn; 2] = [
    StandIn {
        name: "memmap2",
        published: "0.9.12",
        version: "0.9.999",
        // 34 and 1 in two files, less the two for processors of 32 bits.
        tests: Tests { unit: 33, examples: 20 },
    },
    StandIn { name: "memmap", published: "0.5.2", version: "0.5.999", tests: Tests { unit: 16, examples: 1 } },
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
        let name = format!("{} {}", crate_.name, crate_.published);
        let [unit, examples] = published::run_tests(crate_)?;
        println!("{name}: {} tests and {} examples of its own pass against ours", unit.passed, examples.passed);
        let failed = unit.failed + examples.failed;
        ensure!(failed == 0, "{failed} of the tests of {name} fail against ours");
        let passed = Tests { unit: unit.passed, examples: examples.passed };
        ensure!(passed == crate_.tests, "of {name} these passed: {passed:?}, and it has {:?}", crate_.tests);
    }
    Ok(())
}

/// Where the published tests run too.
struct Elsewhere {
    target: &'static str,
    /// How many unit tests pass there, of each crate.
    passed: [u32; 2],
    /// Those that fail, by a difference that stands on the page.
    left_out: &'static [&'static str],
}

const ELSEWHERE: [Elsewhere; 2] = [
    Elsewhere { target: "i686-unknown-linux-gnu", passed: [35, 16], left_out: &[] },
    Elsewhere {
        target: "x86_64-pc-windows-gnu",
        passed: [17, 16],
        // `make_exec` of a map of a file.
        left_out: &["map::jit_x86_file", "map::mprotect_copy", "map::mprotect_file"],
    },
];

/// Runs the published tests against ours as programs for the target of `suite`, if that is one of those where they run.
///
/// # Errors
///
/// If they cannot be built, or one fails.
pub(crate) fn run_elsewhere(suite: &Suite<'_>) -> Result<()> {
    for place in ELSEWHERE.iter().filter(|place| place.target == suite.target) {
        for (crate_, expected) in STAND_INS.into_iter().zip(place.passed) {
            let counts = published::run_tests_elsewhere(crate_, suite, place.left_out)?;
            let name = format!("{} {} on {}", crate_.name, crate_.published, suite.target);
            ensure!(counts.failed == 0, "{} of the tests of {name} fail against ours", counts.failed);
            ensure!(counts.passed == expected, "{} tests of {name} pass, not {expected}", counts.passed);
        }
    }
    Ok(())
}
