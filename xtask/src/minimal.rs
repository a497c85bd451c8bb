//! The oldest dependencies that the library's manifest allows.
//!
//! A manifest that says `1.2` promises that 1.2.0 will do, and no ordinary build ever tries. This one does, in a copy of
//! the library with a lock file of its own.
//!
//! The promise is about what the library depends on. What its tests depend on has no say in it: the lowest versions are
//! those of the library alone, and with the tests beside it they are nailed down, so that everything else has to do with
//! them. What cannot is taken out, together with the test that needs it.

use crate::ci::FEW_CASES;
use crate::foreign::{self, CHECK_STD};
use crate::workspace::{self, cargo, execute, root, target_dir};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use toml::{Table, Value};
use xshell::{Shell, cmd};

/// What the tests depend on that insists on newer versions than the library does, and the test that needs it.
const TOO_NEW: &[(&str, &str)] = &[
    // By way of the crate `nix`, which asks for the newest libc at each of its releases.
    ("fuser", "tests/matrix"),
];

/// Systems whose interface crate has a version of its own, or other parts: built for, too.
const FOREIGN: &[&str] = &["x86_64-pc-windows-msvc", "aarch64-apple-darwin", "x86_64-unknown-freebsd"];

/// Builds the library and its tests, and runs those that reach most system calls, with the lowest versions of its direct
/// dependencies.
///
/// # Errors
///
/// If they do not exist, do not go together or do not do.
pub(crate) fn run() -> Result<()> {
    let copy = target_dir().join("minimal");
    let shell = workspace::shell()?;
    let to = copy.join("minimal/folio");
    let written = copy_library(&shell, &copy, "minimal/folio")?;
    let manifest = to.join("Cargo.toml");

    shell.change_dir(&copy);
    // What is of the same version as ever is there already.
    shell.set_var("CARGO_TARGET_DIR", target_dir());
    let cargo = cargo();

    let mut alone = written.clone();
    dependencies(&mut alone, "dev-dependencies").into_iter().for_each(Table::clear);
    shell.write_file(&manifest, alone.to_string())?;
    // The flag only decides versions; what is built afterwards knows nothing of it.
    execute(cmd!(shell, "{cargo} generate-lockfile -Zdirect-minimal-versions").env("RUSTC_BOOTSTRAP", "1"))?;
    execute(cmd!(shell, "{cargo} check --package folio --lib --locked"))?;
    execute(cmd!(shell, "{cargo} check --package folio --lib --locked --all-features"))?;
    for target in FOREIGN {
        check_foreign(&shell, target)?;
    }

    let lowest = locked(&fs::read_to_string(copy.join("Cargo.lock"))?.parse()?)?;
    let mut tested = written;
    nail_down(&mut tested, &lowest)?;
    for (name, test) in TOO_NEW {
        ensure!(take_out(&mut tested, name), "no test depends on `{name}`: take it off the list of what is too new");
        ensure!(to.join(test).exists(), "there is no {test}");
        shell.remove_path(to.join(test))?;
    }
    shell.write_file(&manifest, tested.to_string())?;
    execute(cmd!(shell, "{cargo} generate-lockfile"))?;
    execute(cmd!(shell, "{cargo} check --package folio --all-features --locked --examples --tests"))?;
    let tests =
        cmd!(shell, "{cargo} test --package folio --all-features --locked --lib --test contract --test signals");
    execute(tests.env(FEW_CASES.0, FEW_CASES.1))
}

/// Builds the library in `shell`'s folder for another system.
fn check_foreign(shell: &Shell, target: &str) -> Result<()> {
    // The standard library is there already, if the whole library was looked at.
    let foreign = foreign::checker(target)?;
    foreign.change_dir(shell.current_dir());
    let cargo = cargo();
    execute(cmd!(
        foreign,
        "{cargo} check --package folio --lib --locked --all-features {CHECK_STD...} --target {target}"
    ))
}

/// Copies the library to `copy`, as the only member of a workspace like ours. Its manifest. The place of the member in the workspace has to
/// be another one than here and in other copies: cargo tells by it what is built in one folder.
///
/// # Errors
///
/// If something cannot be read or written.
pub(crate) fn copy_library(shell: &Shell, copy: &Path, member: &str) -> Result<Table> {
    shell.remove_path(copy)?;
    let (from, to) = (root().join("crates/folio"), copy.join(member));
    shell.create_dir(to.parent().context("a member has a place")?)?;
    // Links, to the licences for instance, become what they point to.
    cmd!(shell, "cp --recursive --dereference {from} {to}").quiet().run()?;
    let workspace = fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    shell.write_file(copy.join("Cargo.toml"), with_member(workspace, member)?.to_string())?;
    Ok(fs::read_to_string(from.join("Cargo.toml"))?.parse()?)
}

/// The workspace's manifest with `member` as the only one.
///
/// # Errors
///
/// If it is not the manifest of a workspace.
pub(crate) fn with_member(mut manifest: Table, member: &str) -> Result<Table> {
    let workspace = manifest.get_mut("workspace").and_then(Value::as_table_mut).context("no workspace")?;
    workspace.insert("members".to_owned(), Value::from(vec![member]));
    workspace.remove("default-members");
    Ok(manifest)
}

/// The tables of dependencies of one kind: for every system, and for some.
fn dependencies<'a>(manifest: &'a mut Table, kind: &str) -> Vec<&'a mut Table> {
    let mut found = Vec::new();
    for (key, value) in manifest.iter_mut() {
        let Some(table) = value.as_table_mut() else { continue };
        if key == kind {
            found.push(table);
        } else if key == "target" {
            let of_targets = table.iter_mut().filter_map(|(_, target)| target.get_mut(kind));
            found.extend(of_targets.filter_map(Value::as_table_mut));
        }
    }
    found
}

/// The versions in a lock file, by name.
fn locked(lock: &Table) -> Result<BTreeMap<String, String>> {
    let packages = lock.get("package").and_then(Value::as_array).context("no packages in the lock file")?;
    let text = |package: &Value, key| package.get(key).and_then(Value::as_str).map(str::to_owned);
    packages
        .iter()
        .map(|package| text(package, "name").zip(text(package, "version")).context("a package without a version"))
        .collect()
}

/// Lets the dependencies of `manifest` be of the versions `lowest` and no others.
fn nail_down(manifest: &mut Table, lowest: &BTreeMap<String, String>) -> Result<()> {
    for (name, dependency) in dependencies(manifest, "dependencies").into_iter().flatten() {
        let version = lowest.get(name).with_context(|| format!("`{name}` is not in the lock file"))?;
        let exactly = Value::from(format!("={version}"));
        match dependency {
            Value::Table(table) => drop(table.insert("version".to_owned(), exactly)),
            short => *short = exactly,
        }
    }
    Ok(())
}

/// Removes what tests depend on by the name of `name`; whether there was any.
fn take_out(manifest: &mut Table, name: &str) -> bool {
    let removed = dependencies(manifest, "dev-dependencies").into_iter().filter_map(|table| table.remove(name));
    removed.count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "
        [dependencies]
        a = '1'
        [dev-dependencies]
        a = '1'
        t = '1'
        [target.'cfg(unix)'.dependencies]
        b = { version = '2', features = ['f'] }
        [target.'cfg(unix)'.dev-dependencies]
        u = '3'
    ";

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn the_copy_has_one_member_and_keeps_the_rest() {
        let manifest = table("[workspace]\nmembers = ['a', 'b']\n[workspace.package]\nedition = '2024'\n");
        let text = with_member(manifest, "a").unwrap().to_string();
        assert!(text.contains("members = [\"a\"]") && text.contains("edition = \"2024\""), "{text}");
    }

    #[test]
    fn what_the_library_depends_on_is_nailed_down_and_nothing_else_is() {
        let lock = table("[[package]]\nname = 'a'\nversion = '1.0.3'\n[[package]]\nname = 'b'\nversion = '2.1.0'\n");
        let lowest = locked(&lock).unwrap();
        let mut manifest = table(MANIFEST);
        nail_down(&mut manifest, &lowest).unwrap();
        let expected = MANIFEST.replacen("a = '1'", "a = '=1.0.3'", 1).replace("version = '2'", "version = '=2.1.0'");
        assert_eq!(manifest, table(&expected));
        assert!(nail_down(&mut table("[dependencies]\nc = '1'\n"), &lowest).is_err());
    }

    #[test]
    fn what_only_tests_need_is_taken_out_wherever_it_stands() {
        let mut manifest = table(MANIFEST);
        assert!(take_out(&mut manifest, "t") && take_out(&mut manifest, "u"));
        assert!(!take_out(&mut manifest, "u") && !take_out(&mut manifest, "b"));
        let expected = MANIFEST.replace("t = '1'", "").replace("u = '3'", "");
        assert_eq!(manifest, table(&expected));
    }
}
