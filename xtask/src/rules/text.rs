//! Rules about any text, and about how a file begins and how long it is.

use super::source::{Kind, begins_with, code, tokens};
use super::{File, Violation};

/// A file is one thing that a reader would look for. About 500 lines is a sign to split it, this is the end.
const MOST_LINES: usize = 800;

// Put together from halves, for this file is checked as well.
const LEFT_TO_DO: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];
const FOLDERS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const REGISTRIES: [&str; 4] =
    [concat!("crates", ".io"), concat!("pypi", ".org"), concat!("pythonhosted", ".org"), concat!("deb.debian", ".org")];
const LOCK_SOURCE: &str = concat!("source = \"registry+https://github.com/rust-lang/crates", ".io-index\"");

/// `todo!`, `unimplemented!`, and the words that mark unfinished work in comments.
pub(super) fn nothing_left_to_do(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        for (line, number) in file.text.lines().zip(1..) {
            for word in LEFT_TO_DO.iter().filter(|word| has_word(line, word)) {
                violations.push(file.violation(number, format!("{word}: do it or say it in an issue")));
            }
        }
        if file.is_rust() {
            let code = code(&file.text);
            for (at, token) in code.iter().enumerate() {
                let unfinished = ["todo", "unimplemented"].iter().any(|name| begins_with(&code[at..], &[name, "!"]));
                if unfinished {
                    violations.push(file.violation(token.line, format!("`{}!` is not finished", token.text)));
                }
            }
        }
    }
    violations
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

/// A folder of somebody's machine, or the host of a package registry.
pub(super) fn no_machine_is_named(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| !file.path.starts_with("LICENSE")) {
        for (line, number) in file.text.lines().zip(1..) {
            for folder in FOLDERS.iter().filter(|folder| has_absolute(line, folder)) {
                violations.push(file.violation(number, format!("{folder} is a folder of somebody's machine")));
            }
            let lock = file.path.rsplit('/').next() == Some("Cargo.lock") && line == LOCK_SOURCE;
            for host in REGISTRIES.iter().filter(|host| !lock && line.contains(**host)) {
                violations
                    .push(file.violation(number, format!("{host} is a registry: which one is for the user to say")));
            }
        }
    }
    violations
}

/// Whether `line` has the absolute path `folder`, not one that merely goes through a folder of that name.
fn has_absolute(line: &str, folder: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "._-*})".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(goes_on))
}

/// A source file with too many lines.
pub(super) fn files_are_short(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            violations.push(file.violation(MOST_LINES + 1, format!("{lines} lines are more than {MOST_LINES}")));
        }
    }
    violations
}

/// A file of the library that does not begin with documentation of the module.
pub(super) fn files_say_what_they_are(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_library()) {
        if tokens(&file.text).first().is_none_or(|first| first.kind != Kind::InnerDoc) {
            violations.push(file.violation(1, "does not begin with `//!` documentation"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const A: &str = "crates/folio/src/a.rs";

    #[test]
    fn unfinished_work_is_found_in_code_and_in_words() {
        let text = format!("fn f() {{\n    to{}!()\n}}\n// {}: later\n", "do", LEFT_TO_DO[0]);
        assert_eq!(found(nothing_left_to_do, &[(A, &text)]), [format!("{A}:4"), format!("{A}:2")]);
        let text = format!("mktemp /tmp/{0}{0}\n{0} later\n", LEFT_TO_DO[1]);
        assert_eq!(found(nothing_left_to_do, &[("run.sh", &text)]), ["run.sh:2"]);
        assert!(found(nothing_left_to_do, &[(A, "// todo!(x)\nlet unimplemented = \"todo!()\";\n")]).is_empty());
    }

    #[test]
    fn folders_of_a_machine_are_found() {
        for folder in FOLDERS {
            let text = format!("a\nsee `{folder}x`\n");
            assert_eq!(found(no_machine_is_named, &[("README.md", &text)]), ["README.md:2"]);
            assert!(found(no_machine_is_named, &[("README.md", &format!("docs{folder}x"))]).is_empty());
        }
    }

    #[test]
    fn registries_are_found_but_for_the_line_of_the_lock_file() {
        for host in REGISTRIES {
            assert_eq!(found(no_machine_is_named, &[("a.toml", &format!("url = \"https://{host}/x\""))]), ["a.toml:1"]);
        }
        assert!(found(no_machine_is_named, &[("Cargo.lock", LOCK_SOURCE), ("b/Cargo.lock", LOCK_SOURCE)]).is_empty());
        assert_eq!(found(no_machine_is_named, &[("b/NotCargo.lock", LOCK_SOURCE)]).len(), 1);
        assert_eq!(found(no_machine_is_named, &[("Cargo.lock", &LOCK_SOURCE.replace("github", "mirror"))]).len(), 1);
        assert!(found(no_machine_is_named, &[("LICENSE-MIT", REGISTRIES[0])]).is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(found(files_are_short, &[(A, &"\n".repeat(MOST_LINES))]).is_empty());
        assert_eq!(found(files_are_short, &[(A, &"\n".repeat(MOST_LINES + 1))]), [format!("{A}:801")]);
    }

    #[test]
    fn a_file_without_a_first_word_is_found() {
        assert!(found(files_say_what_they_are, &[(A, "//! A thing.\nuse b;\n")]).is_empty());
        for text in ["", "use b;\n//! Late.\n", "/// Of the item.\nfn f() {}\n", "// No documentation.\n"] {
            assert_eq!(found(files_say_what_they_are, &[(A, text)]), [format!("{A}:1")], "{text}");
        }
    }
}
