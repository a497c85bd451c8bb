//! `// SAFETY:` comments. Clippy insists that each unsafe block has one; this insists that it says something.

use super::source::{Kind, tokens};
use super::{File, Violation};

/// The least that names a check or an invariant and what follows from it ("`getpid` has no obligations").
const LEAST_WORDS: usize = 4;

/// A safety comment that says less than a proof takes.
pub(super) fn comments_are_proofs(files: &[File]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for Comment { line, text } in comments(&file.text) {
            let Some(proof) = text.trim_start().strip_prefix("SAFETY:") else {
                continue;
            };
            if proof.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count() < LEAST_WORDS {
                violations.push(file.violation(line, "names neither the check or invariant nor what follows from it"));
            }
        }
    }
    violations
}

/// A comment over one or several lines.
struct Comment {
    line: usize,
    /// Without the slashes and stars at its edges.
    text: String,
}

/// The comments of `text` that are no documentation; `//` comments on lines that follow one another are one comment.
fn comments(text: &str) -> Vec<Comment> {
    let mut comments: Vec<Comment> = Vec::new();
    let mut next_line = 0;
    let mut follows_comment = false;
    for token in tokens(text) {
        let is_comment = token.kind == Kind::Comment;
        if is_comment {
            let content = token.text.trim_start_matches(['/', '*']).trim_end_matches(['/', '*']);
            match comments.last_mut() {
                Some(last) if follows_comment && token.line == next_line && !begins_proof(content) => {
                    last.text += " ";
                    last.text += content;
                }
                _ => comments.push(Comment { line: token.line, text: content.to_owned() }),
            }
            next_line = token.line + token.text.matches('\n').count() + 1;
        }
        follows_comment = is_comment;
    }
    comments
}

fn begins_proof(content: &str) -> bool {
    content.trim_start().starts_with("SAFETY:")
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        found(comments_are_proofs, &[("crates/folio/src/a.rs", text)])
    }

    #[test]
    fn a_claim_without_a_reason_is_found() {
        assert_eq!(lines("\n// SAFETY: this is fine.\nx();\n"), ["crates/folio/src/a.rs:2"]);
        assert_eq!(lines("// SAFETY: [V1].\n"), ["crates/folio/src/a.rs:1"]);
        assert_eq!(lines("/* SAFETY: ok */"), ["crates/folio/src/a.rs:1"]);
    }

    #[test]
    fn a_proof_may_go_on_over_lines() {
        assert!(lines("// SAFETY: the check above\n    // bounds `at`, so [V1] holds\n").is_empty());
        assert!(lines("// SAFETY: the same obligations, passed on.\n").is_empty());
    }

    #[test]
    fn words_of_another_comment_do_not_count() {
        let text = "// SAFETY: fine.\nx();\n// a b c d e f g\n";
        assert_eq!(lines(text), ["crates/folio/src/a.rs:1"]);
        let text = "// SAFETY: fine.\n// SAFETY: the check above bounds `at`.\n";
        assert_eq!(lines(text), ["crates/folio/src/a.rs:1"]);
    }

    #[test]
    fn safety_sections_of_documentation_are_not_meant() {
        assert!(lines("/// # Safety\n///\n/// SAFETY: none\nfn f() {}\n").is_empty());
    }
}
