//! `cargo xtask clients`: published programs that use memmap2, tested with it and with the crate of ours that stands in for it.
//!
//! Each is taken as published, twice: as it is, and with `[patch]`. Both copies run their own test suites, by the same command. How
//! many files a suite maps is counted by the system calls of a further run under `strace`: a suite that maps nothing
//! shows nothing.

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
                if theirs.counts.passed != ours.counts.passed || theirs.counts.failed != ours.counts.failed {
                    complaints.push(format!("{}: not the same passes", client.name));
                }
                if theirs.mapped == 0 || ours.mapped == 0 {
                    complaints.push(format!("{}: no file was mapped", client.name));
                }
                let row = [
                    format!("{} {}", client.name, client.version),
                    theirs.to_string(),
                    ours.to_string(),
                    theirs.mapped.to_string(),
                    ours.mapped.to_string(),
                ];
                rows.push(row);
            }
            Err(error) => complaints.push(format!("{}: {error:#}", client.name)),
        }
    }
    println!();
    report::table(["program", "with memmap2", "with ours", "maps", "maps with ours"], &rows);
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
    fn compare(&self) -> Result<[Outcome; 2]> {
        let theirs = self.run(With::Memmap2)?;
        let ours = self.run(With::Ours)?;
        Ok([theirs, ours])
    }

    fn run(&self, with: With) -> Result<Outcome> {
        let copy = self.prepare(with)?;
        let shell = self.shell(&copy)?;
        let cargo = cargo();
        let (tests, arguments) = (self.tests, self.arguments);
        eprintln!("--- {} with {with:?}", self.name);
        let outcome = tee(cmd!(shell, "nice -n 5 {cargo} test --no-fail-fast").args(tests).arg("--").args(arguments))?;
        let counts = Counts::of(&outcome.stdout);
        ensure!(outcome.success || counts.failed > 0, "the suite did not come to its end");
        let mapped = mappings::count(&shell, tests, arguments, &copy)?;
        Ok(Outcome { counts, mapped })
    }

    fn shell(&self, copy: &Path) -> Result<Shell> {
        let shell = workspace::shell()?;
        shell.change_dir(copy);
        shell.set_var("CARGO_TARGET_DIR", folder().join("build").join(self.name));
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
        let mut manifest = shell.read_file(copy.join("Cargo.toml"))?;
        if !manifest.lines().any(|line| line.trim() == "[workspace]") {
            manifest += "\n[workspace]\n";
        }
        if with == With::Ours {
            let ours = root().join("compat/memmap2");
            manifest += &format!("\n[patch.crates-io]\nmemmap2 = {{ path = {:?} }}\n", ours.display().to_string());
        }
        shell.write_file(copy.join("Cargo.toml"), manifest)?;
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

/// Where programs are copied to and built.
fn folder() -> PathBuf {
    target_dir().join("clients")
}
