//! The tests that the library has on the machine where this runs, with the compiler in everyday use.

use crate::suite::listed;
use crate::workspace::{cargo, root, shell};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use xshell::cmd;

/// The names of the tests that `cargo test --workspace` runs of the library, but for those about Linux alone. What that has built is
/// not built again.
///
/// # Errors
///
/// If the programs cannot be built, or do not start.
pub(super) fn tests() -> Result<BTreeSet<String>> {
    let shell = shell()?;
    let cargo = cargo();
    let about_linux = files_about_linux()?;
    ensure!(!about_linux.is_empty(), "no test file says that it is about Linux alone");

    let messages =
        cmd!(shell, "{cargo} test --quiet --workspace --no-run --message-format json-render-diagnostics").read()?;
    let mut names = BTreeSet::new();
    for message in messages.lines() {
        if let Some((name, program)) = test_program(&serde_json::from_str(message)?) {
            if !about_linux.contains(&name) {
                names.append(&mut listed(&cmd!(shell, "{program} --list").quiet().read()?));
            }
        }
    }
    let documentation = cmd!(shell, "{cargo} test --quiet --workspace --doc -- --list").read()?;
    names.extend(listed(&documentation).into_iter().filter(|name| name.starts_with("crates/folio/")));
    names.retain(|name| name.split("::").all(|module| module != "linux"));
    Ok(names)
}

/// The name and the path of the program, if a message of cargo's tells of one with tests of the library.
fn test_program(message: &Value) -> Option<(String, String)> {
    let of_the_library = message["manifest_path"].as_str()?.ends_with("/crates/folio/Cargo.toml");
    let is_test = of_the_library && message["profile"]["test"].as_bool()?;
    is_test.then_some((message["target"]["name"].as_str()?.to_owned(), message["executable"].as_str()?.to_owned()))
}

/// The names of the test files that say at their beginning that there is nothing for them to do on other systems.
fn files_about_linux() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root().join("crates/folio/tests"))? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(OsStr::to_str).filter(|_| path.is_file()) else { continue };
        if is_about_linux(&fs::read_to_string(&path)?) {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

fn is_about_linux(text: &str) -> bool {
    let condition = text.lines().find_map(|line| line.strip_prefix("#![cfg("));
    condition
        .is_some_and(|condition| condition.contains("target_os = \"linux\"") && !condition.contains("any(target_os"))
}

#[cfg(test)]
mod tests {
    use super::{is_about_linux, test_program};
    use serde_json::json;

    #[test]
    fn programs_with_tests_of_the_library_are_found() {
        let message = |manifest: &str, test: bool| {
            json!({
                "reason": "compiler-artifact",
                "manifest_path": manifest,
                "target": { "name": "ranges" },
                "profile": { "test": test },
                "executable": "/t/debug/deps/ranges-12",
            })
        };
        let ours = "/w/crates/folio/Cargo.toml";
        let found = Some(("ranges".to_owned(), "/t/debug/deps/ranges-12".to_owned()));
        assert_eq!(test_program(&message(ours, true)), found);
        assert_eq!(test_program(&message(ours, false)), None);
        assert_eq!(test_program(&message("/w/compat/memmap/Cargo.toml", true)), None);
        assert_eq!(test_program(&json!({ "reason": "build-finished", "success": true })), None);
    }

    #[test]
    fn files_about_linux_alone_say_so_at_their_beginning() {
        assert!(is_about_linux("//! A.\n#![cfg(target_os = \"linux\")]\nuse b;\n"));
        assert!(is_about_linux("#![cfg(all(target_os = \"linux\", target_arch = \"x86_64\"))]\n"));
        assert!(!is_about_linux("#![cfg(unix)]\n#[cfg(target_os = \"linux\")]\nfn f() {}\n"));
        assert!(!is_about_linux("#![cfg(any(target_os = \"linux\", target_os = \"android\"))]\n"));
    }
}
