//! A compiler with standard libraries that are ready for several processors.
//!
//! Debian builds its compiler on all processors that it runs on, and the standard library with it. The newest version that all of
//! them have is older than the compiler of [`foreign`](crate::foreign), so the packages are unpacked in cargo's build folder beside it
//! rather than installed, and the system hears of no further architecture. It is the oldest compiler that the library is for, or
//! close to it, which makes these runs say something about that too.

use crate::packages;
use crate::workspace::{execute, shell, target_dir};
use anyhow::{Context, Result, ensure};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use xshell::{Shell, cmd};

/// Debian's names for the architecture of this machine and those that there are libraries for.
const HOST: &str = "amd64";
const ARCHITECTURES: [&str; 4] = [HOST, "arm64", "i386", "s390x"];

const COMPILER: &str = "rustc-web";
/// Debian's package of the standard library, one for each architecture.
const LIBRARY: &str = "libstd-rust-web-dev";

/// A shell in which cargo uses that compiler.
///
/// # Errors
///
/// If it is not there and cannot be had.
pub(super) fn toolchain() -> Result<Shell> {
    let folder = target_dir().join("cross").join("ready");
    let complete = folder.join("complete");
    if !complete.exists() {
        fetch(&folder).context("cannot get Debian's compiler with standard libraries for other processors")?;
        fs::write(complete, "")?;
    }
    let shell = shell()?;
    shell.set_var("RUSTC", folder.join("rustc"));
    shell.set_var("RUSTDOC", folder.join("rustdoc"));
    shell.set_var("RUSTFLAGS", "");
    Ok(shell)
}

/// Fetches the packages, and unpacks them in `folder`.
fn fetch(folder: &Path) -> Result<()> {
    let shell = shell()?;
    shell.create_dir(folder)?;
    shell.change_dir(folder);
    configure(&shell, folder)?;
    // One source that cannot be read is no reason to do without the others.
    cmd!(shell, "apt-get update --quiet --quiet").ignore_status().run()?;

    let version = version(&shell)?;
    let needs = |package: &str, prefix: &str| -> Result<String> {
        let about = cmd!(shell, "apt-cache show {package}").quiet().read()?;
        Ok(dependency(&about, prefix).with_context(|| format!("{package} needs no {prefix}"))?.to_owned())
    };
    let driver = needs(&format!("{LIBRARY}:{HOST}={version}"), "libstd-rust-web-")?;
    let llvm = needs(&format!("{driver}:{HOST}"), "libllvm")?;
    packages::install(&[&llvm])?;

    let libraries = ARCHITECTURES.map(|architecture| format!("{LIBRARY}:{architecture}={version}"));
    execute(cmd!(
        shell,
        "apt-get download --quiet --quiet {COMPILER}:{HOST}={version} {driver}:{HOST}={version} {libraries...}"
    ))?;
    let root = folder.join("root");
    for package in shell.read_dir(folder)?.iter().filter(|path| path.extension().is_some_and(|kind| kind == "deb")) {
        execute(cmd!(shell, "dpkg-deb --extract {package} {root}"))?;
        shell.remove_path(package)?;
    }
    ["rustc", "rustdoc"].into_iter().try_for_each(|program| start_script(folder, &root, program))
}

/// Lets apt in `shell` know all architectures, and keep what it reads in `folder`.
fn configure(shell: &Shell, folder: &Path) -> Result<()> {
    for list in ["lists/partial", "archives/partial"] {
        shell.create_dir(list)?;
    }
    let configuration = folder.join("apt.conf");
    let architectures = ARCHITECTURES.map(|name| format!("\"{name}\";")).join(" ");
    let folder = folder.display();
    let text = format!(
        "APT::Architecture \"{HOST}\";\n\
         APT::Architectures {{ {architectures} }};\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Dir::State::lists \"{folder}/lists\";\n\
         Dir::Cache \"{folder}\";\n"
    );
    fs::write(&configuration, text)?;
    shell.set_var("APT_CONFIG", configuration);
    Ok(())
}

/// The newest version that there is for all architectures.
fn version(shell: &Shell) -> Result<String> {
    let mut common: Option<Vec<String>> = None;
    for architecture in ARCHITECTURES {
        let package = format!("{LIBRARY}:{architecture}");
        let about = cmd!(shell, "apt-cache show --all-versions {package}").quiet().read()?;
        let versions: Vec<String> = fields(&about, "Version").map(str::to_owned).collect();
        ensure!(!versions.is_empty(), "there is no {package}");
        common = Some(match common {
            None => versions,
            Some(before) => before.into_iter().filter(|version| versions.contains(version)).collect(),
        });
    }
    // Newest first, as apt lists them.
    common.unwrap_or_default().into_iter().next().context("the architectures have no version in common")
}

/// The values of a field in what `apt-cache show` says.
fn fields<'a>(about: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    about.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The package that begins with `prefix` and a digit, of those that a package needs.
fn dependency<'a>(about: &'a str, prefix: &str) -> Option<&'a str> {
    let names = fields(about, "Depends").flat_map(|list| list.split(", ")).filter_map(|need| need.split(' ').next());
    names
        .into_iter()
        .find(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
}

/// What starts a program of the compiler: its libraries are not where the system looks for them.
fn start_script(folder: &Path, root: &Path, program: &str) -> Result<()> {
    let script = folder.join(program);
    let usr = root.join("usr").display().to_string();
    let text = format!("#!/bin/sh\nLD_LIBRARY_PATH={usr}/lib/x86_64-linux-gnu exec {usr}/bin/{program} \"$@\"\n");
    fs::write(&script, text)?;
    Ok(fs::set_permissions(script, Permissions::from_mode(0o755))?)
}

#[cfg(test)]
mod tests {
    use super::{dependency, fields};

    const ABOUT: &str = "Package: a\nVersion: 1.85.0-2\nDepends: libc6 (>= 2.34), libllvm (= 3), libllvm19, a-1 (= 2)\n\n\
        Package: a\nVersion: 1.63.0-1\nDescription: about Version: 3\n";

    #[test]
    fn fields_are_found_in_every_stanza() {
        assert_eq!(fields(ABOUT, "Version").collect::<Vec<_>>(), ["1.85.0-2", "1.63.0-1"]);
    }

    #[test]
    fn what_a_package_needs_is_known_by_its_number() {
        assert_eq!(dependency(ABOUT, "libllvm"), Some("libllvm19"));
        assert_eq!(dependency(ABOUT, "a-"), Some("a-1"));
        assert_eq!(dependency(ABOUT, "b-"), None);
    }
}
