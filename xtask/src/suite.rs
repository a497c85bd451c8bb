//! The library's test suite, built for some target and run with some flags.

use crate::skips;
use crate::workspace::{Outcome, cargo, execute, tee};
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use xshell::{Cmd, Shell, cmd};

/// A way to build and run the library's tests.
#[derive(Clone, Copy)]
pub(crate) struct Suite<'a> {
    /// Where cargo is told, by variables, how to compile, link and run.
    pub(crate) shell: &'a Shell,
    pub(crate) target: &'a str,
    /// Further arguments for cargo, about the standard library.
    pub(crate) std: &'a [&'a str],
    /// Cargo's names for the parts of the suite, `--lib` for one; none means all.
    pub(crate) parts: &'a [&'a str],
}

impl Suite<'_> {
    /// Builds `parts` of the suite, none meaning all, and runs nothing.
    ///
    /// # Errors
    ///
    /// If they cannot be built.
    pub(crate) fn build(&self, parts: &[&str]) -> Result<()> {
        // Where all of it is run but the documentation, all of it has to be built: cargo builds the examples, which tests start, for
        // the whole suite only. By themselves they would take all that the tests depend on once more.
        execute(self.cargo("test", parts).arg("--no-run"))
    }

    /// The names of all tests.
    ///
    /// # Errors
    ///
    /// If the programs cannot be built, or do not start.
    pub(crate) fn list(&self) -> Result<BTreeSet<String>> {
        Ok(listed(&self.cargo_test(&["--quiet", "--", "--list"]).quiet().read()?))
    }

    /// Runs all tests, which are those in `known`, but those named in `left_out`, and counts.
    ///
    /// # Errors
    ///
    /// If a test program cannot be built or does not come to its end; failed tests are in the counts.
    pub(crate) fn run(&self, left_out: &[&str], known: &BTreeSet<String>) -> Result<Ran> {
        let command = self.cargo_test(&["--no-fail-fast", "--"]).args(skips::arguments(left_out, known)?);
        let Outcome { success, stdout, stderr } = tee(command)?;
        let counts = Counts::of(&stdout);
        ensure!(success || counts.failed > 0, "a test program did not come to its end");
        let (begun, ended) = begun_and_ended(&stdout);
        ensure!(begun == ended || counts.failed > 0, "{begun} test programs began and {ended} came to their end");
        Ok(Ran { counts, passed: passed(&stdout), gave_up: gave_up(&stderr) })
    }

    fn cargo_test(&self, arguments: &[&str]) -> Cmd<'_> {
        self.cargo("test", self.parts).args(arguments)
    }

    fn cargo(&self, command: &str, parts: &[&str]) -> Cmd<'_> {
        let Self { shell, target, std, .. } = *self;
        let cargo = cargo();
        cmd!(shell, "{cargo} {command} --package folio --all-features {std...} --target {target}").args(parts)
    }
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) counts: Counts,
    /// The names of the tests that have passed.
    pub(crate) passed: BTreeSet<String>,
    /// The names of what has passed without having been tested, because something that it needs is not there. Most are
    /// names of tests, some of parts of a test.
    pub(crate) gave_up: BTreeSet<String>,
}

/// Numbers of tests, summed over the test programs of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// Not run: marked `#[ignore]`, or left out by name.
    pub(crate) skipped: u32,
}

impl Counts {
    /// Sums the `test result:` lines of `output`.
    pub(crate) fn of(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines() {
            let Some(rest) = line.strip_prefix("test result: ") else {
                continue;
            };
            // "ok. 4 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s"
            let figures = rest.split_once(". ").map_or("", |(_verdict, figures)| figures);
            for part in figures.split("; ") {
                let Some((number, what)) = part.split_once(' ') else {
                    continue;
                };
                let Ok(number) = number.parse::<u32>() else {
                    continue;
                };
                match what {
                    "passed" => sum.passed += number,
                    "failed" => sum.failed += number,
                    "ignored" | "filtered out" => sum.skipped += number,
                    _ => {}
                }
            }
        }
        sum
    }
}

/// How many test programs say that they begin, and how many that they have ended. A program that dies may end with exit code 0
/// for all that its emulator knows.
fn begun_and_ended(output: &str) -> (usize, usize) {
    let is_start = |line: &&str| line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test"));
    let begun = output.lines().filter(is_start).count();
    (begun, output.lines().filter(|line| line.starts_with("test result: ")).count())
}

/// The names in the output of a test run with `--list`.
pub(crate) fn listed(output: &str) -> BTreeSet<String> {
    output.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The names of the tests that are said to have passed.
fn passed(output: &str) -> BTreeSet<String> {
    // What rustdoc expects of a test stands behind its name.
    let modes = [" - compile", " - compile fail", " - should panic"];
    let name = |line: &str| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... ok")?;
        Some(modes.iter().find_map(|mode| name.strip_suffix(mode)).unwrap_or(name).to_owned())
    };
    output.lines().filter_map(name).collect()
}

/// The names in the lines by which tests say that they have not tested: `skipped: NAME: REASON`.
fn gave_up(output: &str) -> BTreeSet<String> {
    let name = |line: &str| Some(line.strip_prefix("skipped: ")?.split_once(": ")?.0.to_owned());
    output.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::{Counts, begun_and_ended, gave_up, listed, passed};

    #[test]
    fn result_lines_are_summed() {
        let output = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n";
        assert_eq!(Counts::of(output), Counts { passed: 3, failed: 1, skipped: 4 });
    }

    #[test]
    fn only_what_has_passed_counts_as_that() {
        let output = "test a ... ok\ntest b ... FAILED\ntest c ... ignored\n\
            test d.rs - d (line 3) - compile fail ... ok\ntest d.rs - e::compile (line 4) ... ok\ntest f - should panic ... ok\n";
        let names: Vec<String> = passed(output).into_iter().collect();
        assert_eq!(names, ["a", "d.rs - d (line 3)", "d.rs - e::compile (line 4)", "f"]);
    }

    #[test]
    fn a_program_that_ends_half_way_is_seen() {
        let whole = "\nrunning 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
        let half = "\nrunning 2 tests\ntest a ... ok\n";
        assert_eq!(begun_and_ended(&format!("{whole}{half}{whole}")), (3, 2));
        assert_eq!(begun_and_ended(&format!("{whole}running late\n")), (1, 1));
    }

    #[test]
    fn what_gave_up_is_named() {
        let output = "skipped: a::b: no loop device: EPERM\nnot skipped: c: no\nskipped: a::b: again: no\nskipped: d\n";
        assert_eq!(gave_up(output).into_iter().collect::<Vec<_>>(), ["a::b"]);
    }

    #[test]
    fn listed_names_may_repeat_and_hold_blanks() {
        let output = "a::b: test\nsrc/lib.rs - f (line 3): test\na::b: test\n\n3 tests, 0 benchmarks\n";
        let names: Vec<String> = listed(output).into_iter().collect();
        assert_eq!(names, ["a::b", "src/lib.rs - f (line 3)"]);
    }
}
