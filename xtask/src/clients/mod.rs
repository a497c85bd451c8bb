//! `cargo xtask clients`: published programs that use memmap2, tested with it and with the crate of ours that stands in for it.
//!
//! Each is taken as published, twice: as it is, and with `[patch]`. Both copies run their own test suites, by the same command. How
//! many files a suite maps is counted by the system calls of a further run under `strace`: a suite that maps nothing
//! shows nothing. To one like that a test of ours is added (`ours/`), which drives what it does with a map, and which is counted by itself.

mod list;
mod mappings;
mod speed;

use crate::suite::Counts;
use crate::workspace::{self, cargo, root, target_dir, tee};
use crate::{packages, report};
use anyhow::{Context, Result, ensure};
use list::{CLIENTS, Client};
use std::path::{Path, PathBuf};
use std::{env, fs};
use toml::{Table, Value};
use xshell::{Shell, cmd};

/// Runs the suites of the named programs, or of all, both ways, and prints what they counted.
///
/// # Errors
///
/// If a program cannot be had or built, or if its suite passes less with ours than with memmap2, or maps no file.
pub(crate) fn run(names: &[String]) -> Result<()> {
    packages::install(&["strace"])?;
    let chosen: Vec<_> =
        CLIENTS.iter().filter(|client| names.is_empty() || names.contains(&client.name.into())).collect();
    ensure!(!chosen.is_empty(), "there is no such program on the list");
    let mut rows = Vec::new();
    let mut complaints = Vec::new();
    for client in chosen {
        eprintln!("\n=== {} {}", client.name, client.version);
        match client.compare() {
            Ok([theirs, ours]) => {
                for ((what, theirs), (_, ours)) in theirs.into_iter().zip(ours) {
                    if theirs.counts.passed != ours.counts.passed || theirs.counts.failed != ours.counts.failed {
                        complaints.push(format!("{}, {what}: not the same passes", client.name));
                    }
                    let to_map = client.ours.is_none() || what == OURS;
                    if to_map && (theirs.mapped == 0 || ours.mapped == 0) {
                        complaints.push(format!("{}, {what}: no file was mapped", client.name));
                    }
                    rows.push([
                        format!("{} {}", client.name, client.version),
                        what.to_owned(),
                        theirs.to_string(),
                        ours.to_string(),
                        theirs.mapped.to_string(),
                        ours.mapped.to_string(),
                    ]);
                }
            }
            Err(error) => complaints.push(format!("{}: {error:#}", client.name)),
        }
    }
    println!();
    report::table(["program", "tests", "with memmap2", "with ours", "maps", "maps with ours"], &rows);
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// Times a program that maps files, with memmap2 and with ours in turn.
///
/// # Errors
///
/// If it cannot be built or run.
pub(crate) fn time(rounds: usize) -> Result<()> {
    speed::run(rounds)
}

/// What is run of a program: its own tests, and those of ours that are added where they map nothing.
const ITS_OWN: &str = "its own";
const OURS: &str = "ours";

/// Crates that only benchmarks use. They, and what they are for, are left out of the copies: a suite does without.
const OF_BENCHMARKS: [&str; 3] = ["binggan", "criterion", "pprof"];

/// What a suite did.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    counts: Counts,
    /// Files mapped.
    mapped: usize,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { passed, failed, skipped } = self.counts;
        write!(f, "{passed} passed, {failed} failed, {skipped} ignored")
    }
}

/// Which crate a copy of a program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum With {
    Memmap2,
    Ours,
}

impl Client {
    fn compare(&self) -> Result<[Vec<(&'static str, Outcome)>; 2]> {
        let theirs = self.run(With::Memmap2)?;
        let ours = self.run(With::Ours)?;
        Ok([theirs, ours])
    }

    /// Runs the program's own suite, and the test of ours if there is one.
    fn run(&self, with: With) -> Result<Vec<(&'static str, Outcome)>> {
        let copy = self.prepare(with)?;
        let shell = self.shell(&copy)?;
        eprintln!("--- {} with {with:?}", self.name);
        let mut outcomes = vec![(ITS_OWN, outcome(&shell, self.tests, self.arguments, &copy)?)];
        if self.ours.is_some() {
            let features = self.features().chain(["--test", "ours"]).collect::<Vec<_>>();
            outcomes.push((OURS, outcome(&shell, &features, &[], &copy)?));
        }
        Ok(outcomes)
    }

    fn shell(&self, copy: &Path) -> Result<Shell> {
        let shell = workspace::shell()?;
        shell.change_dir(copy);
        shell.set_var("CARGO_TARGET_DIR", folder().join("build"));
        // What old code is warned of is not ours to mend.
        shell.set_var("RUSTFLAGS", "--cap-lints=warn -Awarnings");
        // Large programs: less for the compiler to do, and enough for those that read their own debug information.
        shell.set_var("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        Ok(shell)
    }

    /// A copy of the program, as a package of its own, that uses the one crate or the other.
    fn prepare(&self, with: With) -> Result<PathBuf> {
        let source = self.source()?;
        let copy = folder().join(format!("{}-{with:?}", self.name).to_lowercase());
        let shell = workspace::shell()?;
        shell.remove_path(&copy)?;
        cmd!(shell, "cp --recursive {source} {copy}").quiet().run()?;
        let mut manifest: Table = shell.read_file(copy.join("Cargo.toml"))?.parse()?;
        without_benchmarks(&mut manifest);
        manifest.entry("workspace").or_insert_with(|| Table::new().into());
        if with == With::Ours {
            let ours = root().join("compat/memmap2").display().to_string();
            let patches: Table = format!("crates-io.memmap2.path = {ours:?}").parse()?;
            manifest.insert("patch".into(), patches.into());
        }
        if let Some(ours) = self.ours {
            shell.write_file(copy.join("tests/ours.rs"), ours)?;
            let tests = manifest.entry("test").or_insert_with(|| Vec::<Value>::new().into());
            let tests = tests.as_array_mut().context("the tests of a package are an array")?;
            // It runs by its name only.
            tests.push(toml::toml! { name = "ours" path = "tests/ours.rs" test = false }.into());
        }
        shell.write_file(copy.join("Cargo.toml"), toml::to_string(&manifest)?)?;
        shell.change_dir(&copy);
        let cargo = cargo();
        // A lock file that was published along names the memmap2 of its day.
        if copy.join("Cargo.lock").is_file() && with == With::Ours {
            cmd!(shell, "{cargo} update --quiet --package memmap2").run()?;
        }
        let tree =
            cmd!(shell, "{cargo} tree --quiet --edges all --invert memmap2 --depth 0").args(self.features()).read()?;
        let patched = tree.contains("compat/memmap2");
        ensure!(patched == (with == With::Ours), "{} uses the wrong crate: {tree}", self.name);
        Ok(copy)
    }

    /// The arguments that choose features.
    fn features(&self) -> impl Iterator<Item = &'static str> {
        self.tests.iter().copied().filter(|argument| argument.contains("features"))
    }

    /// Where cargo has put the published source.
    fn source(&self) -> Result<PathBuf> {
        let fetcher = folder().join("fetch").join(self.name);
        let shell = workspace::shell()?;
        let (name, version) = (self.name, self.version);
        let manifest = format!(
            "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
             [dependencies]\n{name} = \"={version}\"\n"
        );
        shell.write_file(fetcher.join("Cargo.toml"), manifest)?;
        shell.write_file(fetcher.join("src/lib.rs"), "")?;
        shell.change_dir(&fetcher);
        let cargo = cargo();
        cmd!(shell, "{cargo} fetch --quiet").run()?;
        // `cargo metadata` says nothing of a program that is no library, so look where cargo unpacks packages.
        let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
        let unpacked = home.context("cargo has no folder")?.join("registry/src");
        let package = format!("{name}-{version}");
        let mut sources = fs::read_dir(&unpacked)?.filter_map(|folder| Some(folder.ok()?.path().join(&package)));
        sources.find(|source| source.is_dir()).with_context(|| format!("{package} was not fetched"))
    }
}

/// Runs a part of a program's tests, and counts what they map.
fn outcome(shell: &Shell, tests: &[&str], arguments: &[&str], copy: &Path) -> Result<Outcome> {
    let cargo = cargo();
    let ran = tee(cmd!(shell, "nice -n 5 {cargo} test --jobs 2 --no-fail-fast").args(tests).arg("--").args(arguments))?;
    let counts = Counts::of(&ran.stdout);
    ensure!(ran.success || counts.failed > 0, "the suite did not come to its end");
    let mapped = mappings::count(shell, tests, arguments, copy)?;
    Ok(Outcome { counts, mapped })
}

/// Leaves out the benchmarks of a package, and what they alone need.
fn without_benchmarks(manifest: &mut Table) {
    manifest.remove("bench");
    let of_targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::keys);
    let mut places: Vec<_> = of_targets.map(|target| vec!["target".to_owned(), target.clone()]).collect();
    places.push(Vec::new());
    for place in places {
        let inside = place.iter().try_fold(&mut *manifest, |table, key| table.get_mut(key)?.as_table_mut());
        let needed = inside.and_then(|table| table.get_mut("dev-dependencies")?.as_table_mut());
        if let Some(needed) = needed {
            needed.retain(|name, _| !OF_BENCHMARKS.contains(&name));
        }
    }
}

/// Where programs are copied to and built.
fn folder() -> PathBuf {
    target_dir().join("clients")
}

#[cfg(test)]
mod tests {
    use super::without_benchmarks;
    use toml::Table;

    #[test]
    fn only_benchmarks_and_what_they_need_are_left_out() {
        let mut manifest: Table = "
            [[bench]]
            name = 'hash'
            [[test]]
            name = 'integration'
            [dependencies]
            criterion = '1'
            [dev-dependencies]
            criterion = '1'
            tempfile = '3'
            [target.'cfg(unix)'.dependencies]
            libc = '0.2'
            [target.'cfg(unix)'.dev-dependencies]
            pprof = '1'
            rand = '1'
        "
        .parse()
        .unwrap();
        without_benchmarks(&mut manifest);
        let expected: Table = "
            [[test]]
            name = 'integration'
            [dependencies]
            criterion = '1'
            [dev-dependencies]
            tempfile = '3'
            [target.'cfg(unix)'.dependencies]
            libc = '0.2'
            [target.'cfg(unix)'.dev-dependencies]
            rand = '1'
        "
        .parse()
        .unwrap();
        assert_eq!(manifest, expected);
    }
}
