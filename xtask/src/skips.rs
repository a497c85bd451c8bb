//! The tests that cannot run somewhere, each with its reason: `xtask/skips.toml`.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;

const LIST: &str = include_str!("../skips.toml");

/// One entry of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skip {
    /// The full name of the test, as the harness prints it, but for the line of a test of documentation.
    pub(crate) test: String,
    /// Where it does not run: one of the tags of a run.
    pub(crate) on: Vec<String>,
    /// Why it cannot.
    pub(crate) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    skip: Vec<Skip>,
}

/// The committed list.
pub(crate) fn load() -> Result<Vec<Skip>> {
    parse(LIST).context("xtask/skips.toml")
}

fn parse(text: &str) -> Result<Vec<Skip>> {
    let skips = toml::from_str::<List>(text)?.skip;
    for Skip { test, on, reason } in &skips {
        ensure!(!on.is_empty(), "`{test}` is not skipped anywhere");
        ensure!(reason.split_whitespace().count() >= 4, "the reason for skipping `{test}` says too little");
    }
    Ok(skips)
}

/// The names that a run with these tags leaves out, and prints why.
///
/// # Errors
///
/// If a name on the list is none of the tests in `known`: then the test was renamed, and would run or vanish unseen.
pub(crate) fn names<'a>(skips: &[Skip], tags: &[&str], known: &'a BTreeSet<String>) -> Result<Vec<&'a str>> {
    let mut names = Vec::new();
    for skip in skips.iter().filter(|skip| skip.on.iter().any(|on| tags.contains(&on.as_str()))) {
        let before = names.len();
        names.extend(known.iter().map(String::as_str).filter(|name| without_line(name) == skip.test));
        ensure!(names.len() > before, "xtask/skips.toml names `{}`, which is no test here", skip.test);
        println!("skipped: {} ({})", skip.test, skip.reason);
    }
    Ok(names)
}

/// The name of a test of documentation without the number of its line, which changes with all above it; of others all of it.
fn without_line(name: &str) -> &str {
    name.split_once(" (line ").map_or(name, |(name, _)| name)
}

/// The arguments for the test harness that leave out `names`, and nothing else.
pub(crate) fn arguments<'a>(names: &[&'a str]) -> Vec<&'a str> {
    // `--exact`, or each name would also leave out all tests whose names contain it.
    let skips = names.iter().flat_map(|name| ["--skip", name]);
    if names.is_empty() { Vec::new() } else { ["--exact"].into_iter().chain(skips).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_list_is_well_formed() {
        load().unwrap();
    }

    #[test]
    fn a_skip_without_a_reason_is_refused() {
        let error = parse("[[skip]]\ntest = 'a'\non = ['wine']\nreason = 'fails'").unwrap_err();
        assert!(error.to_string().contains("says too little"), "{error}");
        assert!(parse("[[skip]]\ntest = 'a'\non = ['wine']").is_err());
    }

    #[test]
    fn a_skip_of_no_test_is_refused_where_it_applies() {
        let list = "[[skip]]\ntest = 'a'\non = ['wine']\nreason = 'Wine has no such call'";
        let skips = parse(list).unwrap();
        let known = BTreeSet::from(["b".to_owned()]);
        assert!(names(&skips, &["qemu"], &known).unwrap().is_empty());
        assert!(names(&skips, &["wine"], &known).is_err());
        assert_eq!(names(&skips, &["wine"], &BTreeSet::from(["a".to_owned()])).unwrap(), ["a"]);
    }

    #[test]
    fn a_test_of_documentation_is_skipped_wherever_it_stands() {
        let skips = parse("[[skip]]\ntest = 'a.rs - f'\non = ['wine']\nreason = 'Wine has no such call'").unwrap();
        let known =
            BTreeSet::from(["a.rs - f (line 3)", "a.rs - f (line 9)", "a.rs - f_g (line 3)"].map(str::to_owned));
        assert_eq!(names(&skips, &["wine"], &known).unwrap(), ["a.rs - f (line 3)", "a.rs - f (line 9)"]);
    }
}
