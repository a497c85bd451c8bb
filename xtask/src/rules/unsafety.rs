//! Where `unsafe` may stand: in the files that `xtask/unsafe-files.txt` lists, and nowhere else in the library.

use super::source::{Kind, begins_with, code};
use super::{File, Violation};

const LIST: &str = "xtask/unsafe-files.txt";

/// A line of the list: `path: why it needs to`.
struct Entry<'a> {
    line: usize,
    path: &'a str,
    reason: &'a str,
}

fn entries(list: &File) -> Vec<Entry<'_>> {
    let lines = list.text.lines().zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, number)| {
            let (path, reason) = line.split_once(": ").unwrap_or((line, ""));
            Entry { line: number, path, reason }
        })
        .collect()
}

fn list(files: &[File]) -> Option<&File> {
    files.iter().find(|file| file.path == LIST)
}

/// The line of the first `unsafe` that the compiler sees.
fn first_unsafe(text: &str) -> Option<usize> {
    code(text).iter().find(|token| token.kind == Kind::Word && token.text == "unsafe").map(|token| token.line)
}

/// `unsafe` in a file that is not listed; an entry for a file that has none, is not there or has no reason.
pub(super) fn only_in_listed_files(files: &[File]) -> Vec<Violation> {
    let Some(list) = list(files) else {
        return vec![Violation { path: LIST.to_owned(), line: 1, message: "the list is missing".to_owned() }];
    };
    let entries = entries(list);
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_library()) {
        if let (Some(line), false) = (first_unsafe(&file.text), entries.iter().any(|entry| entry.path == file.path)) {
            violations.push(file.violation(line, format!("`unsafe` in a file that {LIST} does not list")));
        }
    }
    for entry in &entries {
        let file = files.iter().find(|file| file.is_library() && file.path == entry.path);
        if file.and_then(|file| first_unsafe(&file.text)).is_none() {
            violations.push(list.violation(entry.line, "lists a file without `unsafe`, or one that is not there"));
        }
        if entry.reason.split_whitespace().count() < 2 {
            violations.push(list.violation(entry.line, "does not say why the file needs `unsafe`"));
        }
    }
    violations
}

/// A file without `unsafe` that lacks `#![forbid(unsafe_code)]`.
///
/// The attribute reaches into the modules below a file, so a file with a listed one below it cannot have it. That a file
/// with `unsafe` is listed is the other rule's business.
pub(super) fn forbidden_elsewhere(files: &[File]) -> Vec<Violation> {
    let listed: Vec<&str> = list(files).map(entries).unwrap_or_default().iter().map(|entry| entry.path).collect();
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_library()) {
        let below = modules_below(&file.path);
        let holds_listed = listed.iter().any(|path| path.starts_with(&below));
        if !holds_listed && first_unsafe(&file.text).is_none() && !forbids_unsafe(&file.text) {
            violations.push(file.violation(1, "lacks `#![forbid(unsafe_code)]`"));
        }
    }
    violations
}

/// The folder in which the modules declared by the file at `path` lie.
fn modules_below(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name.strip_suffix(".rs") {
        Some("mod" | "lib") | None => format!("{folder}/"),
        Some(stem) => format!("{folder}/{stem}/"),
    }
}

fn forbids_unsafe(text: &str) -> bool {
    let code = code(text);
    (0..code.len()).any(|at| begins_with(&code[at..], &["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const UNSAFE: &str = "fn f() {}\nunsafe fn g() {}\n";
    const SAFE: &str = "//! Says unsafe in words only.\n#![forbid(unsafe_code)]\n";

    #[test]
    fn unsafe_outside_the_list_is_found_with_its_line() {
        let files = [("crates/folio/src/a.rs", UNSAFE), (LIST, "# a comment\n")];
        assert_eq!(found(only_in_listed_files, &files), ["crates/folio/src/a.rs:2"]);
        let files = [("crates/folio/src/a.rs", UNSAFE), (LIST, "crates/folio/src/a.rs: system calls\n")];
        assert!(found(only_in_listed_files, &files).is_empty());
    }

    #[test]
    fn an_entry_must_be_needed_and_say_why() {
        let files = [("crates/folio/src/a.rs", SAFE), (LIST, "\ncrates/folio/src/a.rs: no longer needed\n")];
        assert_eq!(found(only_in_listed_files, &files), [format!("{LIST}:2")]);
        let files = [(LIST, "crates/folio/src/gone.rs: no longer there\n")];
        assert_eq!(found(only_in_listed_files, &files), [format!("{LIST}:1")]);
        let files = [("crates/folio/src/a.rs", UNSAFE), (LIST, "crates/folio/src/a.rs\n")];
        assert_eq!(found(only_in_listed_files, &files), [format!("{LIST}:1")]);
        assert_eq!(found(only_in_listed_files, &[]), [format!("{LIST}:1")]);
    }

    #[test]
    fn tests_and_other_crates_are_not_the_library() {
        let files = [
            ("crates/folio/tests/a.rs", UNSAFE),
            ("xtask/src/a.rs", UNSAFE),
            ("compat/memmap2/tests/src/a.rs", UNSAFE),
            ("compat/src/a.rs", UNSAFE),
            (LIST, ""),
        ];
        assert!(found(only_in_listed_files, &files).is_empty());
        assert!(found(forbidden_elsewhere, &files).is_empty());
    }

    #[test]
    fn crates_that_stand_in_for_others_are_held_to_the_same() {
        let files = [("compat/memmap2/src/a.rs", UNSAFE), ("compat/memmap2/src/b.rs", ""), (LIST, "")];
        assert_eq!(found(only_in_listed_files, &files), ["compat/memmap2/src/a.rs:2"]);
        assert_eq!(found(forbidden_elsewhere, &files), ["compat/memmap2/src/b.rs:1"]);
    }

    #[test]
    fn a_file_must_forbid_unsafe_unless_it_or_one_below_is_listed() {
        let list = "crates/folio/src/sys/unix.rs: system calls\n";
        let files = [
            (LIST, list),
            ("crates/folio/src/lib.rs", ""),
            ("crates/folio/src/sys/mod.rs", ""),
            ("crates/folio/src/sys/unix.rs", UNSAFE),
            ("crates/folio/src/sys/heap.rs", "// #![forbid(unsafe_code)]\n"),
            ("crates/folio/src/view.rs", SAFE),
            ("crates/folio/src/view/split.rs", "#[forbid(unsafe_code)]\nfn f() {}\n"),
        ];
        let expected = ["crates/folio/src/sys/heap.rs:1", "crates/folio/src/view/split.rs:1"];
        assert_eq!(found(forbidden_elsewhere, &files), expected);
    }
}
