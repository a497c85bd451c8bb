//! The house rules: what no compiler checks and every reader relies on.
//!
//! One function per rule. Each takes the files as text and returns what is wrong with them, so that each can be seen to
//! fail on a few lines of text. `cargo test` holds the repository to all of them.

mod manifest;
mod marks;
mod safety;
mod source;
mod text;
mod unsafety;

use crate::workspace;
use anyhow::{Context, Result, ensure};
use std::fmt;
use std::fs;
use xshell::cmd;

/// One text file of the repository.
#[derive(Debug)]
struct File {
    /// Its path from the workspace's folder, with `/` between the parts.
    path: String,
    text: String,
}

impl File {
    /// Whether it is Rust source.
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is source of the library itself, or of a crate that stands in for another: not of tests, examples or
    /// benchmarks.
    fn is_library(&self) -> bool {
        let stand_in = self.path.strip_prefix("compat/").and_then(|path| path.split_once('/'));
        let stand_in = stand_in.is_some_and(|(_crate, path)| path.starts_with("src/"));
        self.is_rust() && (stand_in || self.path.starts_with("crates/folio/src/"))
    }

    fn violation(&self, line: usize, message: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, message: message.into() }
    }
}

/// A place where a rule is broken.
#[derive(Debug)]
pub(crate) struct Violation {
    path: String,
    /// Counted from 1.
    line: usize,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

type Rule = fn(&[File]) -> Vec<Violation>;

/// Every rule, by the name that its test has too.
const RULES: [(&str, Rule); 9] = [
    ("unsafe stands only in the listed files", unsafety::only_in_listed_files),
    ("every other file forbids unsafe", unsafety::forbidden_elsewhere),
    ("a SAFETY comment is a proof", safety::comments_are_proofs),
    ("invariant marks are defined once and cited", marks::defined_once_and_cited),
    ("nothing is left to do", text::nothing_left_to_do),
    ("no machine and no registry is named", text::no_machine_is_named),
    ("files are short", text::files_are_short),
    ("every file of the library says what it is", text::files_say_what_they_are),
    ("dependencies stay few", manifest::dependencies_stay_few),
];

/// Everything in the repository that breaks a rule.
///
/// # Errors
///
/// If the files cannot be listed or read.
pub(crate) fn violations() -> Result<Vec<Violation>> {
    let files = files()?;
    Ok(RULES.iter().flat_map(|(_name, rule)| rule(&files)).collect())
}

/// The text files that are in the repository or about to be.
fn files() -> Result<Vec<File>> {
    let shell = workspace::shell()?;
    // The owner of a checkout that a build service made may be somebody else.
    let names = cmd!(shell, "git -c safe.directory=* ls-files -z --cached --others --exclude-standard --deduplicate")
        .quiet()
        .read()
        .context("the house rules are about the files that git knows")?;
    let mut files = Vec::new();
    for path in names.split_terminator('\0') {
        let place = workspace::root().join(path);
        if !place.is_file() {
            continue; // deleted, or a link to a folder
        }
        // What is not UTF-8 is not text.
        if let Ok(text) = String::from_utf8(fs::read(&place).with_context(|| place.display().to_string())?) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    ensure!(files.iter().any(File::is_library), "git lists no source of the library");
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `rule` on small files; gives `path:line` of what it finds.
    pub(super) fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> =
            files.iter().map(|&(path, text)| File { path: path.to_owned(), text: text.to_owned() }).collect();
        rule(&files).iter().map(|violation| format!("{}:{}", violation.path, violation.line)).collect()
    }

    #[test]
    fn the_repository_keeps_every_rule() {
        let files = files().unwrap();
        let mut report = String::new();
        for (name, rule) in RULES {
            for violation in rule(&files) {
                report += &format!("\n{violation} (rule: {name})");
            }
        }
        assert!(report.is_empty(), "{report}");
    }
}
