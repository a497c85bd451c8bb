//! The page that lists the differences: every row says where it is tested, or where it holds; every test that it names is there, and
//! every test of a difference is named.

use crate::workspace::root;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;

const PAGE: &str = "compat/DIFFERENCES.md";

/// Where no test of the crates here is run, and what a row says of a difference that is there alone; of several, with commas.
const ELSEWHERE: [&str; 4] = ["Apple", "BSD", "Windows", "WebAssembly"];

/// Compares the page with the tests.
///
/// # Errors
///
/// If one names what the other does not have, or a row nothing.
pub(super) fn check() -> Result<()> {
    let page = fs::read_to_string(root().join(PAGE)).context(PAGE)?;
    let tests_of = |name: &str| -> Result<BTreeSet<String>> {
        let file = root().join("compat").join(name).join("tests/differences.rs");
        Ok(names(&fs::read_to_string(&file).with_context(|| file.display().to_string())?))
    };
    let mut found = Vec::new();
    for crate_ in super::STAND_INS {
        let folios = |file: &str| root().join("crates/folio/tests").join(file).is_file();
        found.extend(complaints(&part(&page, crate_.name), &tests_of(crate_.name)?, folios));
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// The sections about one crate.
fn part(page: &str, name: &str) -> String {
    let sections = page.split("\n## ").skip(1);
    sections.filter(|section| section.split([':', ' ']).next() == Some(name)).collect::<Vec<_>>().join("\n")
}

/// The tests of a file.
fn names(file: &str) -> BTreeSet<String> {
    let after_mark = file.split("#[test]\nfn ").skip(1);
    after_mark.filter_map(|text| text.split_once('(').map(|(name, _)| name.to_owned())).collect()
}

/// The last cell of each row, but for those of headings and the lines under them.
fn cells(page: &str) -> impl Iterator<Item = &str> {
    let cells = page.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| ").map(|(_, cell)| cell));
    cells.filter(|cell| *cell != "test")
}

fn complaints(page: &str, tests: &BTreeSet<String>, is_folios: impl Fn(&str) -> bool) -> Vec<String> {
    let quoted = |cell: &str| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    let named: BTreeSet<_> = cells(page).filter_map(quoted).collect();
    let rest =
        cells(page).filter(|cell| quoted(cell).is_none() && !cell.split(", ").all(|place| ELSEWHERE.contains(&place)));
    let idle = rest.filter(|cell| !cell.strip_prefix("folio's ").and_then(quoted).is_some_and(|file| is_folios(&file)));
    let idle = idle.map(|cell| format!("{PAGE}: a row ends with {cell:?}, which is no test"));
    let gone = named.difference(tests).map(|name| format!("{PAGE} names {name}, which is no test of that crate"));
    let silent = tests.difference(&named).map(|name| format!("{PAGE} does not name the test {name}"));
    gone.chain(silent).chain(idle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_test_and_a_test_without_a_name_are_found() {
        let tests = names("/// A.\n#[test]\nfn a() {}\nfn no() {}\n#[test]\nfn b() {}\n");
        assert_eq!(tests.len(), 2);
        let found = |page: &str| complaints(page, &tests, |file| file == "c.rs").len();
        let head = "| | x | test |\n|---|---|---|\n";
        assert_eq!(found(&format!("{head}| x | y | `a` |\n| x | y | `b` |\n| x | y | folio's `c.rs` |\n")), 0);
        assert_eq!(found("| x | y | `a` |\n| x | `b` | `c` |\n"), 2);
        assert_eq!(found("| x | y | `a` |\n| x | y | `b` |\n| x | y | Apple, BSD |\n| x | y | folio's `d.rs` |\n"), 1);
        assert_eq!(found("| x | y | `a` |\n| x | y | `b` |\n| x | y | Linux |\n| x | y | |\n| `a` | y | no |\n"), 3);
    }

    #[test]
    fn a_section_is_about_the_crate_that_its_heading_begins_with() {
        let page = "# A\n\nmemmap2\n\n## memmap2: x\n\na\n\n## memmap 0.5: x\n\nb\n\n## memmap2: y\nc\n";
        assert_eq!(part(page, "memmap"), "memmap 0.5: x\n\nb\n");
        assert!(part(page, "memmap2").contains("a\n") && part(page, "memmap2").contains("c\n"));
    }
}
