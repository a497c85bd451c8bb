//! `cargo xtask cross`: the library's tests on other platforms.

mod host;
mod parallel;
mod prepare;
mod ready;
mod rows;
mod table;

use crate::skips::{self, Known};
use crate::suite::Suite;
use crate::workspace::{execute, target_dir};
use crate::{compat, foreign, lints, packages, wasi};
use anyhow::{Context, Result, ensure};
use rows::{Row, Tests};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use table::{Level, Run, Std, TARGETS, Target, Way};
use xshell::{Shell, cmd};

/// What the step `cross` of `cargo xtask ci` runs: another system, another word size, another instruction set with other page
/// sizes, another order of bytes.
pub(crate) const OF_THE_STEP: &[&str] =
    &["aarch64-unknown-linux-gnu", "s390x-unknown-linux-gnu", "x86_64-pc-windows-gnu", "i686-unknown-linux-gnu"];

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Target triples, or the start of them; all targets if there are none.
    pub(crate) targets: Vec<String>,
    /// Print the names of the targets and end.
    pub(crate) list: bool,
    /// Take only one way to run a target's programs, and less of the suite where that takes long.
    pub(crate) short: bool,
    /// Do as another of these commands asks, which shares this folder with it.
    pub(crate) part_of: Option<PathBuf>,
}

/// Does what can be done for each target that is asked for.
///
/// # Errors
///
/// If a name fits no target, or something failed for one; the rest is done all the same.
pub(crate) fn run(request: &Request) -> Result<()> {
    let targets = chosen(&request.targets)?;
    if request.list {
        targets.iter().for_each(|target| println!("{:<30} {}", target.triple, target.level.name()));
        return Ok(());
    }
    if let Some(folder) = &request.part_of {
        for target in targets {
            rows::write(&folder.join(target.triple), do_target(target, request.short, folder))?;
        }
        return Ok(());
    }

    let folder = target_dir().join("cross").join("results");
    fs::create_dir_all(&folder)?;
    if targets.iter().any(|target| matches!(target.level, Level::Run(_))) {
        rows::write_names(&folder, &host::tests()?)?;
    }
    let rows = match targets[..] {
        [target] => do_target(target, request.short, &folder),
        _ => parallel::run(&targets, request.short, &folder)?,
    };
    rows::print(&rows)
}

/// The targets whose triples begin with one of `names`, in the order of the table.
fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    for name in names {
        ensure!(TARGETS.iter().any(|target| target.triple.starts_with(name)), "no target begins with `{name}`");
    }
    let chosen = |target: &&Target| names.is_empty() || names.iter().any(|name| target.triple.starts_with(name));
    Ok(TARGETS.iter().filter(chosen).collect())
}

fn do_target(target: &Target, short: bool, folder: &Path) -> Vec<Row> {
    eprintln!("\n=== {} ({})", target.triple, target.level.name());
    match &target.level {
        Level::Run(how) => run_tests(target.triple, how, short, folder),
        Level::Wasi => vec![Row::untested(target.triple, wasi::run().map(|()| "run in part"))],
        Level::Link => vec![Row::untested(target.triple, link(target.triple).map(|()| "linked"))],
        Level::Check(scope) => {
            vec![Row::untested(target.triple, foreign::lint(target.triple, *scope).map(|()| "checked"))]
        }
    }
}

impl Std {
    /// The folder for programs of all targets that have the standard library from there. What runs on this machine, to build them, is
    /// built once for all.
    fn folder(self) -> Option<&'static str> {
        (self == Std::Ready).then_some("with-ready-std")
    }
}

impl Level {
    fn name(&self) -> &'static str {
        match self {
            Level::Run(_) | Level::Wasi => "run",
            Level::Link => "link",
            Level::Check(_) => "check",
        }
    }
}

/// Builds the tests for `triple` and runs them each way.
fn run_tests(triple: &str, how: &Run, short: bool, folder: &Path) -> Vec<Row> {
    let shell = match prepare(triple, how) {
        Ok(shell) => shell,
        Err(error) => return vec![Row::untested(triple, Err(error))],
    };
    let std: &[&str] = match how.std {
        Std::Built => &foreign::BUILD_STD,
        Std::Ready => &[],
    };
    let few = Some(how.parts_in_short).filter(|parts| short && !parts.is_empty());
    let suite = Suite { shell: &shell, target: triple, std, parts: few.unwrap_or(how.parts) };
    choose(&suite, &how.ways[0]);
    let start = Instant::now();
    let built = suite.build(few.unwrap_or_default()).and_then(|()| how.prepare.before_tests(&shell));
    let everything = match built.and_then(|()| suite.list()) {
        Ok(names) => names,
        Err(error) => return vec![Row::untested(triple, Err(error))],
    };
    println!("=== {triple} was built in {:.0} seconds", start.elapsed().as_secs_f64());
    if !short {
        if let Err(error) = compat::run_elsewhere(&suite) {
            return vec![Row::untested(triple, Err(error))];
        }
    }
    let row = |way: &Way| {
        let start = Instant::now();
        let page = way.tags.iter().find_map(|tag| tag.strip_prefix("pages-"));
        let name = page
            .filter(|_| how.ways.len() > 1)
            .map_or_else(|| triple.to_owned(), |page| format!("{triple}, {page} pages"));
        let row =
            Row::tested(&name, run_one_way(&suite, way, few.map_or(Known::All, |_| Known::Some), &everything, folder));
        println!("=== {name} ran for {:.0} seconds", start.elapsed().as_secs_f64());
        row
    };
    how.ways.iter().filter(|way| way.always || !short).map(row).collect()
}

/// A shell in which cargo compiles and links for `triple`.
fn prepare(triple: &str, how: &Run) -> Result<Shell> {
    packages::install(how.packages)?;
    let shell = match how.std {
        Std::Built => foreign::toolchain()?,
        Std::Ready => ready::toolchain()?,
    };
    build_apart(&shell, how.std.folder().unwrap_or(triple));
    if how.lint {
        lints::while_compiling(&shell, foreign::LINT_DRIVER, &[foreign::MISTAKEN_LINT]);
    }
    if let Some(linker) = how.linker {
        shell.set_var(variable(triple, "LINKER"), linker);
    }
    how.prepare.run(&shell)?;
    Ok(shell)
}

/// Lets cargo build in a folder of this name, so that it does not wait for builds for other targets.
fn build_apart(shell: &Shell, folder: &str) {
    shell.set_var("CARGO_TARGET_DIR", target_dir().join("cross").join(folder));
    // Nobody looks at these programs with a debugger, and much of the time goes into what one would need.
    shell.set_var("CARGO_PROFILE_DEV_DEBUG", "0");
    // Nor is much built twice, for which a compiler that keeps its parts takes longer the first time.
    shell.set_var("CARGO_INCREMENTAL", "0");
}

/// Lets cargo run the programs of `suite` this way from now on.
fn choose(suite: &Suite<'_>, way: &Way) {
    if !way.runner.is_empty() {
        suite.shell.set_var(variable(suite.target, "RUNNER"), way.runner);
    }
    for (name, value) in way.variables {
        suite.shell.set_var(name, value);
    }
}

/// Runs the tests of `suite`, whose names are `everything`, one way.
fn run_one_way(
    suite: &Suite<'_>,
    way: &Way,
    are: Known,
    everything: &BTreeSet<String>,
    folder: &Path,
) -> Result<Tests> {
    choose(suite, way);
    let host = rows::read_names(folder)?;
    let tags: Vec<&str> = way.tags.iter().copied().chain([suite.target]).collect();
    let skips = skips::load()?;
    let left_out = skips::names(&skips, &tags, everything, are)?;
    let (suite, known) = if are == Known::Some || way.parts.is_empty() {
        (*suite, everything.clone())
    } else {
        let suite = Suite { parts: way.parts, ..*suite };
        let known = suite.list()?;
        (suite, known)
    };
    let outcome = suite.run(&left_out, everything)?;
    let shared: Vec<&String> = host.intersection(&known).collect();
    if are == Known::All {
        host.difference(&known).for_each(|name| println!("not here: {name}"));
    }
    Ok(Tests {
        counts: outcome.counts,
        ran: shared.iter().filter(|name| outcome.passed.contains(**name) && !outcome.gave_up.contains(**name)).count(),
        shared: shared.len(),
        host: host.len(),
    })
}

/// The name of cargo's variable for `key` of `triple`.
fn variable(triple: &str, key: &str) -> String {
    format!("CARGO_TARGET_{}_{key}", triple.to_uppercase().replace('-', "_"))
}

/// Builds and links the test programs for `triple`.
fn link(triple: &str) -> Result<()> {
    let shell = foreign::toolchain()?;
    build_apart(&shell, triple);
    prepare::zigbuild(&shell)?;
    // The compiler would strip what there is of debug information by a program that is not packaged.
    shell.set_var("CARGO_PROFILE_DEV_STRIP", "none");
    let build_std = foreign::BUILD_STD;
    execute(cmd!(
        shell,
        "cargo-zigbuild test --package folio --all-features --lib --tests --no-run {build_std...} --target {triple}"
    ))
    .context("the test programs do not link")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_target_is_the_beginning_of_another() {
        for (at, target) in TARGETS.iter().enumerate() {
            let others = TARGETS.iter().enumerate().filter(|(other, _)| *other != at);
            for (_, other) in others {
                assert!(!other.triple.starts_with(target.triple), "{}", target.triple);
            }
        }
    }

    #[test]
    fn what_runs_on_every_change_can_run() {
        for triple in OF_THE_STEP {
            let target = TARGETS.iter().find(|target| target.triple == *triple).expect(triple);
            let Level::Run(how) = &target.level else { panic!("{triple} does not run") };
            assert!(how.ways.iter().any(|way| way.always), "{triple} runs in no way");
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
