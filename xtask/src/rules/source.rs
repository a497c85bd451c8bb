//! Rust source as the compiler's lexer sees it, with lines, so that a word in a comment or a string is not code.

use ra_ap_rustc_lexer::{DocStyle, FrontmatterAllowed, TokenKind, tokenize};

/// What the rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A single character of punctuation.
    Mark,
    /// A literal, a lifetime: nothing that a rule looks into.
    Other,
    /// A comment that is no documentation.
    Comment,
    /// Documentation of what follows: `///`, `/** */`.
    OuterDoc,
    /// Documentation of what it stands in: `//!`, `/*! */`.
    InnerDoc,
}

/// A token with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// The line on which it begins, counted from 1.
    pub(super) line: usize,
}

/// All tokens of `text` but white space.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    for token in tokenize(text, FrontmatterAllowed::No) {
        let (text, tail) = rest.split_at(token.len as usize);
        if let Some(kind) = kind(token.kind) {
            tokens.push(Token { kind, text, line });
        }
        line += text.matches('\n').count();
        rest = tail;
    }
    tokens
}

/// The tokens that the compiler acts on.
pub(super) fn code(text: &str) -> Vec<Token<'_>> {
    let mut tokens = tokens(text);
    tokens.retain(|token| matches!(token.kind, Kind::Word | Kind::Mark | Kind::Other));
    tokens
}

fn kind(kind: TokenKind) -> Option<Kind> {
    Some(match kind {
        TokenKind::Whitespace | TokenKind::Eof => return None,
        TokenKind::LineComment { doc_style } | TokenKind::BlockComment { doc_style, .. } => match doc_style {
            None => Kind::Comment,
            Some(DocStyle::Outer) => Kind::OuterDoc,
            Some(DocStyle::Inner) => Kind::InnerDoc,
        },
        TokenKind::Ident => Kind::Word,
        TokenKind::Literal { .. } | TokenKind::Lifetime { .. } | TokenKind::RawIdent => Kind::Other,
        _ => Kind::Mark,
    })
}

/// Whether `tokens` begins with these words and marks.
pub(super) fn begins_with(tokens: &[Token<'_>], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_strings_and_documentation_are_no_code() {
        let text = "/// unsafe\n// unsafe\n/* unsafe /* unsafe */ */ fn f<'a>() { r#\"unsafe \"\"#; 'x'; unsafe {} }\n";
        let words: Vec<_> = code(text).into_iter().filter(|token| token.text == "unsafe").collect();
        assert_eq!(words.len(), 1);
        assert_eq!(words[0].line, 3);
    }
}
