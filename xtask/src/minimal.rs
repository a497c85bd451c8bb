//! The oldest dependencies that the library's manifest allows.
//!
//! A manifest that says `1.2` promises that 1.2.0 will do, and no ordinary build ever tries. This one does, in a copy of
//! the library with a lock file of its own, in which every direct dependency has the lowest version allowed.

use crate::workspace::{self, cargo, root, target_dir};
use anyhow::{Context, Result};
use std::fs;
use toml::{Table, Value};
use xshell::cmd;

/// Builds the library and runs its tests with the lowest versions of its direct dependencies.
///
/// # Errors
///
/// If they do not exist, do not go together or do not do.
pub(crate) fn run() -> Result<()> {
    let copy = target_dir().join("minimal");
    let shell = workspace::shell()?;
    shell.remove_path(&copy)?;
    shell.create_dir(copy.join("crates"))?;

    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    shell.write_file(copy.join("Cargo.toml"), with_member(&manifest, "crates/folio")?)?;
    let (from, to) = (root().join("crates/folio"), copy.join("crates/folio"));
    // Links, to the licences for instance, become what they point to.
    cmd!(shell, "cp --recursive --dereference {from} {to}").quiet().run()?;

    shell.change_dir(&copy);
    shell.set_var("CARGO_TARGET_DIR", target_dir().join("minimal-build"));
    let cargo = cargo();
    // The flag only decides versions; what is built afterwards knows nothing of it.
    workspace::execute(cmd!(shell, "{cargo} generate-lockfile -Zdirect-minimal-versions").env("RUSTC_BOOTSTRAP", "1"))?;
    workspace::execute(cmd!(shell, "{cargo} check --package folio --all-features --locked"))?;
    workspace::execute(cmd!(shell, "{cargo} test --package folio --all-features --locked --lib --tests --examples"))
}

/// The workspace's manifest with `member` as the only one.
///
/// # Errors
///
/// If it is not the manifest of a workspace.
pub(crate) fn with_member(manifest: &str, member: &str) -> Result<String> {
    let mut manifest: Table = manifest.parse()?;
    let workspace = manifest.get_mut("workspace").and_then(Value::as_table_mut).context("no workspace")?;
    workspace.insert("members".to_owned(), Value::from(vec![member]));
    workspace.remove("default-members");
    Ok(manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::with_member;

    #[test]
    fn the_copy_has_one_member_and_keeps_the_rest() {
        let text =
            with_member("[workspace]\nmembers = ['a', 'b']\n[workspace.package]\nedition = '2024'\n", "a").unwrap();
        assert!(text.contains("members = [\"a\"]") && text.contains("edition = \"2024\""), "{text}");
    }
}
