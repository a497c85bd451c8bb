//! The tests of the published crates, run against ours.
//!
//! Their sources are where cargo has put them, and are not changed. A small crate in the target folder has the name of the
//! published one and all items of ours at its root, so that a test which says `super::Mmap` or `crate::advice::Advice` finds ours
//! there, and an example that says `memmap2::Mmap` too.

use super::StandIn;
use crate::suite::{Counts, Suite};
use crate::workspace::{cargo, root, shell, target_dir, tee};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// Runs the published tests and the examples of one crate against ours, and counts both.
///
/// # Errors
///
/// If they cannot be had, built or run; failed tests are in the counts.
pub(super) fn run_tests(crate_: StandIn) -> Result<[Counts; 2]> {
    let shell = shell()?;
    shell.change_dir(package(crate_, &shell)?);
    shell.set_var("CARGO_TARGET_DIR", target_dir().join("compat/build"));
    // What old code is warned of is not ours to mend.
    shell.set_var("RUSTFLAGS", "--cap-lints=allow");
    shell.set_var("RUSTDOCFLAGS", "--cap-lints=allow");
    let cargo = cargo();
    let run = |part: &str| -> Result<Counts> {
        let outcome = tee(cmd!(shell, "{cargo} test --no-fail-fast {part}"))?;
        let counts = Counts::of(&outcome.stdout);
        ensure!(outcome.success || counts.failed > 0, "the tests of {} did not come to their end", crate_.name);
        Ok(counts)
    };
    Ok([run("--lib")?, run("--doc")?])
}

/// Runs the published tests of one crate, but those in `left_out`, as programs for another platform, and counts.
///
/// # Errors
///
/// As [`run_tests`].
pub(super) fn run_tests_elsewhere(crate_: StandIn, suite: &Suite<'_>, left_out: &[&str]) -> Result<Counts> {
    let Suite { shell, target, std, .. } = *suite;
    let _folder = shell.push_dir(package(crate_, shell)?);
    let cargo = cargo();
    let left_out = left_out.iter().flat_map(|name| ["--skip", name]);
    let command = cmd!(shell, "{cargo} test --no-fail-fast --lib {std...} --target {target} -- --exact {left_out...}");
    // What lints our code while it is compiled has nothing to say of theirs.
    let outcome = tee(command.env("RUSTC_WORKSPACE_WRAPPER", ""))?;
    let counts = Counts::of(&outcome.stdout);
    ensure!(outcome.success || counts.failed > 0, "the tests of {} did not come to their end", crate_.name);
    Ok(counts)
}

/// Makes a package of the published tests, and answers its folder.
fn package(crate_: StandIn, shell: &Shell) -> Result<PathBuf> {
    let source = source(crate_)?;
    let folder = target_dir().join("compat").join(format!("{}-tests", crate_.name));
    shell.remove_path(&folder)?;
    let text = |file: &str| fs::read_to_string(source.join(file)).with_context(|| format!("{file} of {}", crate_.name));
    let library = text("src/lib.rs")?;
    let (manifest, root_module, mut documented) = match crate_.name {
        "memmap2" => {
            let advice = text("src/advice.rs")?;
            shell.write_file(folder.join("src/advice.rs"), in_module("Advice, UncheckedAdvice", &advice)?)?;
            shell.write_file(folder.join("src/map.rs"), text("test/map.rs")?)?;
            (
                MEMMAP2,
                "pub use ours::*;\n#[cfg(unix)]\npub mod advice;\n#[cfg(test)]\nmod map;\n".to_owned(),
                vec![library, advice],
            )
        }
        _ => {
            let tests = format!("extern crate ours;\npub use ours::*;\n{}", unit_tests(&library)?);
            (MEMMAP, tests, vec![library])
        }
    };
    documented.iter_mut().for_each(|text| *text = documentation(text));
    shell.write_file(folder.join("src/examples.md"), documented.concat())?;
    shell.write_file(folder.join("src/lib.rs"), format!("#![doc = include_str!(\"examples.md\")]\n{root_module}"))?;
    let manifest = manifest.replace("FOLDER", &root().join("compat").join(crate_.name).display().to_string());
    shell.write_file(folder.join("Cargo.toml"), manifest)?;
    // The versions that the workspace has, where both have one.
    shell.copy_file(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    // The examples read these.
    for file in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        shell.copy_file(source.join(file), folder.join(file))?;
    }
    Ok(folder)
}

/// A copy of the published crate in `folder`, as a package that belongs to no workspace.
///
/// # Errors
///
/// If it cannot be found or copied.
pub(super) fn copy(crate_: StandIn, folder: &Path) -> Result<PathBuf> {
    let source = source(crate_)?;
    let copy = folder.join(format!("{}-{}", crate_.name, crate_.published));
    let shell = shell()?;
    shell.remove_path(&copy)?;
    shell.create_dir(folder)?;
    cmd!(shell, "cp --recursive {source} {copy}").quiet().run()?;
    let manifest = shell.read_file(copy.join("Cargo.toml"))?;
    shell.write_file(copy.join("Cargo.toml"), manifest + "\n[workspace]\n")?;
    Ok(copy)
}

const MEMMAP2: &str = "\
[package]
name = \"memmap2-tests\"
version = \"0.0.0\"
edition = \"2021\"
[lib]
name = \"memmap2\"
[features]
default = [\"stable_deref_trait\"]
stable_deref_trait = []
[dependencies]
ours = { package = \"memmap2\", path = \"FOLDER\", features = [\"stable_deref_trait\"] }
libc = \"0.2\"
[dev-dependencies]
owning_ref = \"0.4.1\"
tempfile = \"3\"
[workspace]
";

const MEMMAP: &str = "\
[package]
name = \"memmap-tests\"
version = \"0.0.0\"
edition = \"2015\"
[lib]
name = \"memmap\"
[dependencies]
ours = { package = \"memmap\", path = \"FOLDER\" }
[dev-dependencies]
tempdir = \"0.3\"
[workspace]
";

/// A module that has these items of ours and the unit tests of the file.
fn in_module(items: &str, file: &str) -> Result<String> {
    Ok(format!("pub use ours::{{{items}}};\n{}", unit_tests(file)?))
}

/// The module of unit tests at the end of a file.
fn unit_tests(file: &str) -> Result<&str> {
    let at = file.find("\n#[cfg(test)]\nmod ").context("no unit tests at the end of the file")?;
    Ok(&file[at + 1..])
}

/// The documentation in a file, whose examples are tests; of the headings only what keeps them apart.
fn documentation(file: &str) -> String {
    let mut text = String::new();
    for line in file.lines().map(str::trim_start) {
        if let Some(documentation) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
            text.push_str(documentation.strip_prefix(' ').unwrap_or(documentation));
        }
        text.push('\n');
    }
    text
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    source: Option<String>,
}

/// Where cargo has put the source of the published crate.
fn source(crate_: StandIn) -> Result<PathBuf> {
    let shell = shell()?;
    let cargo = cargo();
    let metadata = cmd!(shell, "{cargo} metadata --format-version 1 --all-features").quiet().read()?;
    let metadata: Metadata = serde_json::from_str(&metadata)?;
    let package = metadata
        .packages
        .into_iter()
        .find(|package| package.name == crate_.name && package.version == crate_.published && package.source.is_some());
    let manifest =
        package.with_context(|| format!("{} {} is no dependency", crate_.name, crate_.published))?.manifest_path;
    manifest.parent().map(Path::to_owned).context("a manifest lies in a folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_taken_out_line_by_line() {
        let file = "//! One.\nuse a;\n    /// ```\n    /// let x;\n    ///  y\n    /// ```\n    fn f() {}\n// no\n";
        assert_eq!(documentation(file), "One.\n\n```\nlet x;\n y\n```\n\n\n");
    }

    #[test]
    fn unit_tests_are_the_end_of_a_file() {
        assert_eq!(unit_tests("a\n#[cfg(test)]\nmod test {}\n").unwrap(), "#[cfg(test)]\nmod test {}\n");
        assert!(unit_tests("a\n").is_err());
    }
}
