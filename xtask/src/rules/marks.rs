//! Invariants have marks, such as `V1`: defined in the documentation of the field or type that holds the invariant, as
//! `**\[V1\]**`, and cited in brackets wherever something relies on it.
//!
//! The backslashes keep rustdoc from reading the mark as a link. They may be left out where it does not look.

use super::source::{Kind, Token, begins_with, tokens};
use super::{File, Violation};
use std::collections::BTreeMap;

/// Places by file and line.
type Places<'a> = Vec<(&'a File, usize)>;

/// A mark that is cited and not defined, defined more than once, defined elsewhere than on a field or type, or defined
/// and never cited.
pub(super) fn defined_once_and_cited(files: &[File]) -> Vec<Violation> {
    let mut defined: BTreeMap<String, Places<'_>> = BTreeMap::new();
    let mut cited: BTreeMap<String, Places<'_>> = BTreeMap::new();
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.starts_with("crates/")) {
        let tokens = tokens(&file.text);
        for (at, token) in tokens.iter().enumerate() {
            if matches!(token.kind, Kind::Word | Kind::Mark | Kind::Other) {
                continue;
            }
            for found in marks(token.text) {
                let line = token.line + found.lines_before;
                if !found.defines {
                    cited.entry(found.mark).or_default().push((file, line));
                    continue;
                }
                if token.kind != Kind::OuterDoc || !documents_field_or_type(&tokens[at..]) {
                    violations
                        .push(file.violation(line, format!("[{}] is not defined on a field or type", found.mark)));
                }
                defined.entry(found.mark).or_default().push((file, line));
            }
        }
    }
    for (mark, places) in &defined {
        for (file, line) in &places[1..] {
            violations.push(file.violation(*line, format!("[{mark}] is already defined in {}", places[0].0.path)));
        }
        if !cited.contains_key(mark) {
            violations.push(places[0].0.violation(places[0].1, format!("nothing cites [{mark}]")));
        }
    }
    for (mark, places) in cited.iter().filter(|(mark, _)| !defined.contains_key(*mark)) {
        for (file, line) in places {
            violations.push(file.violation(*line, format!("[{mark}] is not defined on any field or type")));
        }
    }
    violations
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    mark: String,
    defines: bool,
    /// Lines of the comment before the one with the mark.
    lines_before: usize,
}

/// The marks in a comment: a capital letter and a number in brackets.
fn marks(comment: &str) -> Vec<Found> {
    let mut marks = Vec::new();
    for (lines_before, line) in comment.lines().enumerate() {
        let plain = line.replace("\\[", "[").replace("\\]", "]");
        let mut pieces = plain.split('[');
        let mut before = pieces.next().unwrap_or("");
        for piece in pieces {
            if let Some((mark, after)) = piece.split_once(']')
                && mark.strip_prefix(|c: char| c.is_ascii_uppercase()).is_some_and(is_number)
            {
                let defines = before.ends_with("**") && after.starts_with("**");
                marks.push(Found { mark: mark.to_owned(), defines, lines_before });
            }
            before = piece;
        }
    }
    marks
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether documentation at the start of `tokens` belongs to a named field or a type.
fn documents_field_or_type(tokens: &[Token<'_>]) -> bool {
    let mut rest: Vec<Token<'_>> = tokens.to_vec();
    rest.retain(|token| !matches!(token.kind, Kind::Comment | Kind::OuterDoc | Kind::InnerDoc));
    let mut rest = rest.as_slice();
    while begins_with(rest, &["#", "["]) {
        rest = after_brackets(&rest[1..], "[", "]");
    }
    if begins_with(rest, &["pub"]) {
        rest = &rest[1..];
        if begins_with(rest, &["("]) {
            rest = after_brackets(rest, "(", ")");
        }
    }
    match rest {
        [word, ..] if ["struct", "enum", "union", "type"].contains(&word.text) => true,
        [name, colon, next, ..] => name.kind == Kind::Word && colon.text == ":" && next.text != ":",
        _ => false,
    }
}

/// What follows the group that `tokens` begins with.
fn after_brackets<'t, 'a>(tokens: &'t [Token<'a>], open: &str, close: &str) -> &'t [Token<'a>] {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        if token.text == open {
            depth += 1;
        } else if token.text == close {
            depth -= 1;
        }
        if depth == 0 {
            return &tokens[at + 1..];
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const A: &str = "crates/folio/src/a.rs";

    fn lines(text: &str) -> Vec<String> {
        found(defined_once_and_cited, &[(A, text)])
    }

    #[test]
    fn a_mark_on_a_field_or_type_that_is_cited_is_right() {
        let text = "/// **\\[V1\\]** and more.\n#[derive(Debug)]\npub(crate) struct S {\n    /// **[V2]** a\n    p: u8 }\n\
                    // SAFETY: [V1] and [V2]\n";
        assert!(lines(text).is_empty(), "{:?}", lines(text));
    }

    #[test]
    fn a_citation_of_nothing_is_found() {
        assert_eq!(lines("\n// SAFETY: by [V9], all is well\n"), [format!("{A}:2")]);
    }

    #[test]
    fn a_mark_that_nothing_cites_is_found() {
        assert_eq!(lines("/// **[M1]** a\nstruct S;\n"), [format!("{A}:1")]);
    }

    #[test]
    fn a_second_definition_is_found() {
        let text = "/// **[M1]** a\nstruct S;\n/// **[M1]** b\nstruct T;\n// [M1]\n";
        assert_eq!(lines(text), [format!("{A}:3")]);
    }

    #[test]
    fn a_definition_elsewhere_than_on_a_field_or_type_is_found() {
        for text in
            ["/// **[M1]** a\nfn f() {}\n// [M1]\n", "//! **[M1]** a\nstruct S;\n// [M1]\n", "// **[M1]**\n// [M1]\n"]
        {
            assert_eq!(lines(text), [format!("{A}:1")], "{text}");
        }
    }

    #[test]
    fn indices_and_links_are_no_marks() {
        assert!(lines("// a[0], [usize], [V], [1], [v1], [`V1`](x)\nlet a = b[V1];\n").is_empty());
    }
}
