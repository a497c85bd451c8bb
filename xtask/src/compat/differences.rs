//! The page that lists the differences: every test that it names is there, and every test of a difference is named.

use crate::workspace::root;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;

const PAGE: &str = "compat/DIFFERENCES.md";

/// Compares the page with the tests.
///
/// # Errors
///
/// If one names what the other does not have.
pub(super) fn check() -> Result<()> {
    let page = fs::read_to_string(root().join(PAGE)).context(PAGE)?;
    let mut tests = BTreeSet::new();
    for crate_ in super::STAND_INS {
        let file = root().join("compat").join(crate_.name).join("tests/differences.rs");
        tests.extend(names(&fs::read_to_string(&file).with_context(|| file.display().to_string())?));
    }
    let complaints = complaints(&page, &tests);
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// The tests of a file.
fn names(file: &str) -> BTreeSet<String> {
    let after_mark = file.split("#[test]\nfn ").skip(1);
    after_mark.filter_map(|text| text.split_once('(').map(|(name, _)| name.to_owned())).collect()
}

fn complaints(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    // The last cell of each row.
    let cells = page.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| ").map(|(_, cell)| cell));
    let named: BTreeSet<_> =
        cells.filter_map(|cell| cell.strip_prefix('`')?.strip_suffix('`')).map(str::to_owned).collect();
    let gone = named.difference(tests).map(|name| format!("{PAGE} names {name}, which is no test"));
    let silent = tests.difference(&named).map(|name| format!("{PAGE} does not name the test {name}"));
    gone.chain(silent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_test_and_a_test_without_a_name_are_found() {
        let tests = names("/// A.\n#[test]\nfn a() {}\nfn no() {}\n#[test]\nfn b() {}\n");
        assert_eq!(tests.len(), 2);
        assert!(complaints("| x | y | `a` |\n| x | y | `b` |\n| x | y | folio's `c.rs` |\n", &tests).is_empty());
        assert_eq!(complaints("| x | y | `a` |\n| x | `b` | `c` |\n", &tests).len(), 2);
    }
}
