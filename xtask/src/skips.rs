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

/// Of what tests a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// All that there are.
    All,
    /// Those of some parts of the suite.
    Some,
}

/// The names that a run with these tags leaves out of `known`, and prints why.
///
/// # Errors
///
/// If those are all tests, and a name on the list is none of them: then the test was renamed, and would run or vanish unseen.
pub(crate) fn names<'a>(
    skips: &[Skip],
    tags: &[&str],
    known: &'a BTreeSet<String>,
    are: Known,
) -> Result<Vec<&'a str>> {
    let mut names = Vec::new();
    for skip in skips.iter().filter(|skip| skip.on.iter().any(|on| tags.contains(&on.as_str()))) {
        let before = names.len();
        names.extend(known.iter().map(String::as_str).filter(|name| without_line(name) == skip.test));
        let found = names.len() > before;
        ensure!(found || are == Known::Some, "xtask/skips.toml names `{}`, which is no test here", skip.test);
        if found {
            println!("skipped: {} ({})", skip.test, skip.reason);
        }
    }
    Ok(names)
}

/// The name of a test of documentation without the number of its line, which changes with all above it; of others all of it.
fn without_line(name: &str) -> &str {
    name.split_once(" (line ").map_or(name, |(name, _)| name)
}

/// The arguments for test harnesses that leave out `names`, and nothing else of `known`.
///
/// # Errors
///
/// If that cannot be said to rustdoc.
pub(crate) fn arguments<'a>(names: &[&'a str], known: &BTreeSet<String>) -> Result<Vec<&'a str>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    // What a test of documentation is about. The whole name has blanks, where rustdoc divides what it is told.
    let about = |name: &'a str| without_line(name).split_once(" - ").map_or(name, |(_file, about)| about);
    let parts: Vec<&str> = names.iter().copied().map(about).collect();
    let mut arguments: Vec<&str> = parts.iter().flat_map(|part| ["--skip", part]).collect();
    if parts == names {
        // Or each name would also leave out all tests whose names contain it.
        arguments.push("--exact");
        return Ok(arguments);
    }
    for part in parts {
        ensure!(!part.contains(' '), "rustdoc cannot be told to leave out `{part}`");
        let too_much = known.iter().find(|name| name.contains(part) && !names.contains(&name.as_str()));
        ensure!(
            too_much.is_none(),
            "to leave out `{part}` would leave out `{}` as well",
            too_much.map_or("", |name| name)
        );
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_list_is_well_formed() {
        load().unwrap();
    }

    #[test]
    fn what_is_left_out_is_that_and_nothing_else() {
        let doc = "a.rs - b::C<D>::e (line 3)";
        let known = BTreeSet::from(["b", "bb", doc].map(str::to_owned));
        assert_eq!(arguments(&[], &known).unwrap(), [""; 0]);
        assert_eq!(arguments(&["b"], &known).unwrap(), ["--skip", "b", "--exact"]);
        assert_eq!(arguments(&["bb", doc], &known).unwrap(), ["--skip", "bb", "--skip", "b::C<D>::e"]);
        assert!(arguments(&["b", doc], &known).unwrap_err().to_string().contains("would leave out `bb`"));
        assert!(arguments(&["a.rs - b::C<D, E>::e (line 3)"], &known).is_err());
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
        assert!(names(&skips, &["qemu"], &known, Known::All).unwrap().is_empty());
        assert!(names(&skips, &["wine"], &known, Known::All).is_err());
        assert!(names(&skips, &["wine"], &known, Known::Some).unwrap().is_empty());
        assert_eq!(names(&skips, &["wine"], &BTreeSet::from(["a".to_owned()]), Known::All).unwrap(), ["a"]);
    }

    #[test]
    fn a_test_of_documentation_is_skipped_wherever_it_stands() {
        let skips = parse("[[skip]]\ntest = 'a.rs - f'\non = ['wine']\nreason = 'Wine has no such call'").unwrap();
        let known =
            BTreeSet::from(["a.rs - f (line 3)", "a.rs - f (line 9)", "a.rs - f_g (line 3)"].map(str::to_owned));
        assert_eq!(names(&skips, &["wine"], &known, Known::All).unwrap(), ["a.rs - f (line 3)", "a.rs - f (line 9)"]);
    }
}
