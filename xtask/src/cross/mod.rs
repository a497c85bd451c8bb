//! `cargo xtask cross`: the library's tests on other platforms.

mod prepare;
mod table;

use crate::suite::{Counts, Suite, host_tests};
use crate::workspace::execute;
use crate::{foreign, packages, report, skips};
use anyhow::{Result, ensure};
use table::{Level, Run, TARGETS, Target, Way};
use xshell::{Shell, cmd};

/// Does what can be done for each target whose triple begins with one of `names`, or for all targets if there are none.
///
/// # Errors
///
/// If a name fits no target, or something failed for one; the rest is done all the same.
pub(crate) fn run(names: &[String], list: bool) -> Result<()> {
    for name in names {
        ensure!(TARGETS.iter().any(|target| target.triple.starts_with(name)), "no target begins with `{name}`");
    }
    let chosen = |target: &&Target| names.is_empty() || names.iter().any(|name| target.triple.starts_with(name));
    let targets = TARGETS.iter().filter(chosen);
    if list {
        targets.for_each(|target| println!("{:<30} {}", target.triple, target.level.name()));
        return Ok(());
    }

    let mut rows = Vec::new();
    for target in targets {
        eprintln!("\n=== {} ({})", target.triple, target.level.name());
        match &target.level {
            Level::Run(how) => rows.append(&mut run_tests(target.triple, how)),
            Level::Link => rows.push(Row::untested(target.triple, link(target.triple).map(|()| "linked"))),
            Level::Check(scope) => {
                let checked = foreign::lint(target.triple, *scope).map(|()| "checked");
                rows.push(Row::untested(target.triple, checked));
            }
        }
    }
    print(&rows)
}

impl Level {
    fn name(&self) -> &'static str {
        match self {
            Level::Run(_) => "run",
            Level::Link => "link",
            Level::Check(_) => "check",
        }
    }
}

/// A row of the table at the end.
struct Row {
    target: String,
    /// What was achieved without running anything.
    built: Result<&'static str>,
    /// What came of running the tests, where that is possible.
    tests: Option<Result<Tests>>,
}

impl Row {
    fn untested(target: &str, built: Result<&'static str>) -> Self {
        Self { target: target.to_owned(), built, tests: None }
    }
}

/// The tests of one run.
struct Tests {
    counts: Counts,
    /// How many of the host's tests exist here too.
    shared: usize,
    /// How many the host has.
    of: usize,
}

/// Builds the tests for `triple` and runs them each way.
fn run_tests(triple: &str, how: &Run) -> Vec<Row> {
    let shell = match prepare(triple, how) {
        Ok(shell) => shell,
        Err(error) => return vec![Row::untested(triple, Err(error))],
    };
    let suite = Suite { shell: &shell, target: triple, parts: &[] };
    if let Err(error) = suite.build() {
        return vec![Row::untested(triple, Err(error))];
    }
    let row = |way: &Way| {
        let page = way.tags.iter().find_map(|tag| tag.strip_prefix("pages-"));
        let target = page
            .filter(|_| how.ways.len() > 1)
            .map_or_else(|| triple.to_owned(), |page| format!("{triple}, {page} pages"));
        Row { target, built: Ok("built"), tests: Some(run_one_way(&suite, way)) }
    };
    how.ways.iter().map(row).collect()
}

/// A shell in which cargo compiles and links for `triple`.
fn prepare(triple: &str, how: &Run) -> Result<Shell> {
    packages::install(how.packages)?;
    let shell = foreign::toolchain()?;
    if let Some(linker) = how.linker {
        shell.set_var(variable(triple, "LINKER"), linker);
    }
    how.prepare.run(&shell)?;
    Ok(shell)
}

fn run_one_way(suite: &Suite<'_>, way: &Way) -> Result<Tests> {
    let shell = suite.shell;
    if !way.runner.is_empty() {
        shell.set_var(variable(suite.target, "RUNNER"), way.runner);
    }
    for (name, value) in way.variables {
        shell.set_var(name, value);
    }
    let host = host_tests()?;
    let known = suite.list()?;
    let tags: Vec<&str> = way.tags.iter().copied().chain([suite.target]).collect();
    let skips = skips::load()?;
    let left_out = skips::names(&skips, &tags, &known)?;
    let counts = suite.run(&left_out)?;
    host.difference(&known).for_each(|name| println!("not here: {name}"));
    Ok(Tests { counts, shared: host.intersection(&known).count(), of: host.len() })
}

/// The name of cargo's variable for `key` of `triple`.
fn variable(triple: &str, key: &str) -> String {
    format!("CARGO_TARGET_{}_{key}", triple.to_uppercase().replace('-', "_"))
}

/// Builds and links the test programs for `triple`.
fn link(triple: &str) -> Result<()> {
    let shell = foreign::toolchain()?;
    prepare::zigbuild(&shell)?;
    let build_std = foreign::BUILD_STD;
    execute(cmd!(
        shell,
        "cargo-zigbuild test --package folio --all-features --lib --tests --no-run {build_std} --target {triple}"
    ))
}

/// Prints the table and what went wrong.
fn print(rows: &[Row]) -> Result<()> {
    let mut cells = Vec::new();
    let mut complaints = Vec::new();
    for Row { target, built, tests } in rows {
        let built =
            built.as_ref().map_err(|error| complaints.push(format!("{target}: {error:#}"))).unwrap_or(&"FAILED");
        let mut cell = [target.as_str(), built, "-", "-", "-", "-", "-"].map(str::to_owned);
        match tests {
            None => {}
            Some(Err(error)) => {
                complaints.push(format!("{target}: {error:#}"));
                cell[2] = "FAILED".to_owned();
            }
            Some(Ok(Tests { counts, shared, of })) => {
                if counts.failed > 0 {
                    complaints.push(format!("{target}: {} tests failed", counts.failed));
                }
                cell[2] = if counts.failed == 0 { "ok" } else { "FAILED" }.to_owned();
                cell[3..6]
                    .clone_from_slice(&[counts.passed, counts.failed, counts.skipped].map(|count| count.to_string()));
                cell[6] = format!("{shared}/{of}");
            }
        }
        cells.push(cell);
    }
    println!();
    report::table(["target", "built", "run", "passed", "failed", "skipped", "of the host's"], &cells);
    ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_stands_in_the_table_once() {
        for (at, target) in TARGETS.iter().enumerate() {
            assert!(TARGETS[..at].iter().all(|other| other.triple != target.triple), "{}", target.triple);
        }
    }

    #[test]
    fn every_way_to_run_tells_its_page_size() {
        for target in TARGETS {
            if let Level::Run(how) = &target.level {
                assert!(!how.ways.is_empty(), "{}", target.triple);
                for way in how.ways {
                    assert!(way.tags.iter().any(|tag| tag.starts_with("pages-")), "{}", target.triple);
                }
            }
        }
    }

    #[test]
    fn cargo_variables_are_spelled_as_cargo_does() {
        assert_eq!(variable("i686-unknown-linux-gnu", "RUNNER"), "CARGO_TARGET_I686_UNKNOWN_LINUX_GNU_RUNNER");
    }
}
