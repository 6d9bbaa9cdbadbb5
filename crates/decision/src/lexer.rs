//! Cuts the text of a rule into words, strings and marks.

use crate::limits;
use crate::problem::{Position, SyntaxError};
use crate::rule::Span;

/// One piece of a rule's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Letters, digits and the marks that occur in names, networks and durations.
    Word(&'a str),
    /// The content of a string, its escapes resolved.
    Text(String),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
}

/// A piece, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub(crate) piece: Piece<'a>,
    pub(crate) span: Span,
}

/// Cuts `text` into tokens.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
    if text.len() > limits::TEXT {
        let message = format!("the rule is longer than {} bytes", limits::TEXT);
        return Err(SyntaxError { at: Position::START, message });
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let start = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (piece, length) = match first {
            '(' => (Piece::Open, 1),
            ')' => (Piece::Close, 1),
            ',' => (Piece::Comma, 1),
            '"' => string(text, start)?,
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Piece::Word(rest.get(..length).unwrap_or_default()), length)
            }
            c => {
                let message = format!("`{}` has no meaning in a rule", c.escape_default());
                return Err(SyntaxError { at: Position::of(text, start), message });
            }
        };
        tokens.push(Token { piece, span: Span { start, end: start + length } });
        rest = rest.get(length..).unwrap_or_default();
    }
}

const fn is_word(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '(' | ')' | ',' | '"')
}

/// The string whose opening quote stands at `start`, and its length with both quotes. `\"` is a
/// quote and `\\` a backslash; any other backslash stands for itself, so that patterns need no
/// doubling.
fn string(text: &str, start: usize) -> Result<(Piece<'_>, usize), SyntaxError> {
    let mut content = String::new();
    let mut characters = text.get(start..).unwrap_or_default().char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((Piece::Text(content), at + 1)),
            '\\' => {
                let escaped = characters.next_if(|(_, next)| matches!(next, '"' | '\\'));
                content.push(escaped.map_or('\\', |(_, next)| next));
            }
            c if c.is_control() || is_deceptive(c) => {
                let message = format!("a string cannot hold `{}`", c.escape_unicode());
                return Err(SyntaxError { at: Position::of(text, start + at), message });
            }
            c => content.push(c),
        }
    }
    let message = "the string that begins here has no closing `\"`".to_owned();
    Err(SyntaxError { at: Position::of(text, start), message })
}

/// Whether a character cannot be seen, or changes the order in which others are: a rule that holds one would say
/// something else than whoever reads it sees (CVE-2021-42574). The joiners of several scripts are none of these.
const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece<'_>> {
        tokens(text).unwrap().into_iter().map(|token| token.piece).collect()
    }

    #[test]
    fn a_text_is_cut_into_words_strings_and_marks() {
        let expected = [
            Piece::Word("client"),
            Piece::Word("in"),
            Piece::Word("10.0.0.0/8"),
            Piece::Comma,
            Piece::Word("2001:db8::/32"),
            Piece::Open,
            Piece::Text(r#"a"b\d\"#.to_owned()),
            Piece::Close,
        ];
        assert_eq!(pieces(r#"client in 10.0.0.0/8,2001:db8::/32 ("a\"b\d\\")"#), expected);
    }

    #[test]
    fn what_cannot_be_cut_is_refused_at_its_column() {
        for (text, column) in [("a é", 3), ("å", 1), ("a \"open", 3), ("a \"x\ny\"", 5), ("a \u{7}", 3)] {
            assert_eq!(tokens(text).unwrap_err().at, Position { line: 1, column }, "{text:?}");
        }
        assert!(tokens(&"a".repeat(limits::TEXT + 1)).is_err());
    }

    #[test]
    fn a_place_in_a_rule_of_several_lines_is_its_line_and_column() {
        let error = tokens("a\r\n  and å").unwrap_err();
        assert_eq!(error.at, Position { line: 2, column: 7 });
        assert!(error.to_string().starts_with("line 2, column 7: "), "{error}");
    }

    #[test]
    fn a_string_holds_no_character_that_hides_or_turns_others_round() {
        for hidden in ['\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{ad}', '\u{e0041}'] {
            let error = tokens(&format!("\"st{hidden}aff\"")).unwrap_err();
            assert_eq!(error.at.column, 4);
            assert!(error.message.contains(&hidden.escape_unicode().to_string()), "{error}");
        }
        assert_eq!(pieces("\"می\u{200c}خواهم 東京 ß\"").len(), 1, "letters and joiners of all scripts");
    }
}
