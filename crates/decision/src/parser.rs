//! Reads the text of a rule: recursive descent, one function per line of the grammar.

use std::net::IpAddr;

use evergate_model::factor::{Factor, RESERVED_WORDS, WantedFactor};
use evergate_model::path::without_parameters;
use evergate_model::{Name, NormalPath, Period};
use ipnet::{IpNet, Ipv4Net};

use crate::condition::Condition;
use crate::lexer::{self, Piece, Token};
use crate::limits;
use crate::problem::{Position, SyntaxError};
use crate::rule::{Expression, Span, Term};

type Parsed<T> = Result<T, SyntaxError>;

const ATOM: &str = "a factor, a condition, `anyone`, `rule(...)` or `(`";

/// Reads a whole rule.
pub(crate) fn parse(text: &str) -> Parsed<Expression> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, terms: 0 };
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.expected("`and`, `or` or the end of the rule")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Parsed<Expression> {
        let parts = self.joined("or", Self::all)?;
        Ok(single_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Parsed<Expression> {
        let parts = self.joined("and", Self::term)?;
        Ok(single_or(parts, Expression::All))
    }

    fn joined(
        &mut self,
        word: &str,
        part: impl Fn(&mut Self) -> Parsed<Expression>,
    ) -> Parsed<Vec<Expression>> {
        let mut parts = vec![part(self)?];
        while self.take_word(word) {
            parts.push(part(self)?);
        }
        Ok(parts)
    }

    fn term(&mut self) -> Parsed<Expression> {
        let start = self.at;
        if !self.take_word("not") {
            return self.atom();
        }
        let inner = self.atom()?;
        match first_factor(&inner) {
            None => Ok(Expression::Not(Box::new(inner), self.span_from(start))),
            Some((factor, span)) => Err(self.error_at(
                span.start,
                format!("`not` applies to conditions only, and `{factor}` is a factor"),
            )),
        }
    }

    fn atom(&mut self) -> Parsed<Expression> {
        let start = self.at;
        self.terms += 1;
        if self.terms > limits::TERMS {
            return Err(self.error_here(format!("the rule has more than {} terms", limits::TERMS)));
        }
        if self.take(&Piece::Open) {
            return self.parenthesis();
        }
        let Some(Piece::Word(word)) = self.peek() else { return Err(self.expected(ATOM)) };
        let word = *word;
        if word != "anyone" && RESERVED_WORDS.contains(&word) && !opens_condition(word) && word != "rule" {
            return Err(self.expected(ATOM));
        }
        self.at += 1;
        if word == "rule" {
            let name = self.parenthesised(Self::name)?;
            return Ok(Expression::Reference(name, self.span_from(start)));
        }
        let term = match word {
            "anyone" => Term::Anyone,
            word if opens_condition(word) => Term::Condition(self.condition(word)?),
            word => Term::Factor(self.factor(word)?),
        };
        Ok(Expression::Term(term, self.span_from(start)))
    }

    fn parenthesis(&mut self) -> Parsed<Expression> {
        if self.depth == limits::DEPTH {
            let message = format!("parentheses are nested more than {} deep", limits::DEPTH);
            return Err(self.error_before(message));
        }
        self.depth += 1;
        let inner = self.any()?;
        self.depth -= 1;
        self.require(&Piece::Close, "`and`, `or` or `)`")?;
        Ok(inner)
    }

    fn factor(&mut self, word: &str) -> Parsed<WantedFactor> {
        let Ok(factor) = word.parse::<Factor>() else {
            self.at -= 1;
            return Err(self.expected(ATOM));
        };
        let within = if self.take_word("within") { Some(self.period()?) } else { None };
        Ok(WantedFactor { factor, within })
    }

    fn condition(&mut self, word: &str) -> Parsed<Condition> {
        Ok(match word {
            "group" => Condition::Group(self.parenthesised(Self::string)?),
            "user" => Condition::User(self.parenthesised(Self::string)?),
            "access-point" => Condition::AccessPoint(self.parenthesised(Self::name)?),
            "client" => {
                self.keyword("in")?;
                Condition::Client(self.list(Self::network)?)
            }
            "path" => {
                self.keyword("under")?;
                Condition::PathUnder(self.prefix()?)
            }
            "request-method" => {
                self.keyword("in")?;
                Condition::RequestMethod(self.parenthesised(|parser| parser.list(Self::request_method))?)
            }
            "header" => {
                let name = self.parenthesised(Self::header_name)?;
                self.keyword("matches")?;
                Condition::Header { name, pattern: self.string()? }
            }
            _ => {
                self.keyword("in")?;
                Condition::Time(self.string()?)
            }
        })
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take(&Piece::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn parenthesised<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.require(&Piece::Open, "`(`")?;
        let value = inner(self)?;
        self.require(&Piece::Close, "`)`")?;
        Ok(value)
    }

    fn name(&mut self) -> Parsed<Name> {
        self.word_as("a name", |word| word.parse().ok())
    }

    fn period(&mut self) -> Parsed<Period> {
        self.word_as("a length of time such as `10m`", |word| {
            word.parse().ok().filter(|period: &Period| !period.is_zero())
        })
    }

    fn network(&mut self) -> Parsed<IpNet> {
        self.word_as("a network such as `10.0.0.0/8`", |word| {
            let network: IpNet = word.parse().ok().or_else(|| word.parse().ok().map(IpAddr::into))?;
            Some(canonical(network).trunc())
        })
    }

    fn request_method(&mut self) -> Parsed<String> {
        self.word_as("a request method in capitals such as `GET`", |word| {
            let is_method = word.len() <= 32 && word.bytes().all(|c| c.is_ascii_uppercase() || c == b'-');
            is_method.then(|| word.to_owned())
        })
    }

    fn header_name(&mut self) -> Parsed<String> {
        self.word_as("a header's name", |word| {
            let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
            (word.len() <= 128 && word.bytes().all(is_token)).then(|| word.to_ascii_lowercase())
        })
    }

    fn prefix(&mut self) -> Parsed<String> {
        let prefix = self.string()?;
        check_prefix(&prefix).map_err(|message| self.error_before(message))?;
        Ok(prefix)
    }

    fn string(&mut self) -> Parsed<String> {
        match self.peek() {
            Some(Piece::Text(text)) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(self.expected("a string in `\"`")),
        }
    }

    fn word_as<T>(&mut self, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Parsed<T> {
        let value = match self.peek() {
            Some(Piece::Word(word)) => read(word),
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(value)
    }

    fn peek(&self) -> Option<&'a Piece<'a>> {
        self.tokens.get(self.at).map(|token| &token.piece)
    }

    fn take(&mut self, piece: &Piece<'_>) -> bool {
        let is_next = self.peek() == Some(piece);
        self.at += usize::from(is_next);
        is_next
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.take(&Piece::Word(word))
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        self.require(&Piece::Word(word), &format!("`{word}`"))
    }

    fn require(&mut self, piece: &Piece<'_>, what: &str) -> Parsed<()> {
        if self.take(piece) { Ok(()) } else { Err(self.expected(what)) }
    }

    fn span_from(&self, first: usize) -> Span {
        let start = self.tokens.get(first).map_or(0, |token| token.span.start);
        let last = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        Span { start, end: last.map_or(start, |token| token.span.end) }
    }

    fn expected(&self, what: &str) -> SyntaxError {
        let found = match self.tokens.get(self.at) {
            None => "the end of the rule".to_owned(),
            Some(token) => {
                let text = self.text.get(token.span.start..token.span.end).unwrap_or_default();
                format!("`{}`", text.chars().take(80).collect::<String>())
            }
        };
        self.error_here(format!("expected {what}, found {found}"))
    }

    fn error_here(&self, message: String) -> SyntaxError {
        let offset = self.tokens.get(self.at).map_or(self.text.len(), |token| token.span.start);
        self.error_at(offset, message)
    }

    fn error_before(&self, message: String) -> SyntaxError {
        let last = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        self.error_at(last.map_or(0, |token| token.span.start), message)
    }

    fn error_at(&self, offset: usize, message: String) -> SyntaxError {
        SyntaxError { at: Position::of(self.text, offset), message }
    }
}

/// Whether a path prefix can ever be met: paths are compared in their normal form.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), String> {
    let shown: String = prefix.chars().take(80).collect();
    match NormalPath::new(prefix) {
        Err(error) => Err(format!("`{shown}` is not a path: {error}")),
        Ok(normal) if normal.path_and_query() != prefix || prefix.contains('?') => {
            Err(format!("`{shown}` would never be met: paths are compared in the form `{}`", normal.path()))
        }
        Ok(normal) if normal.path().split('/').any(|segment| without_parameters(segment) != segment) => {
            Err(format!("`{shown}` would never be met: paths are compared without what follows a `;`"))
        }
        Ok(_) => Ok(()),
    }
}

/// A network of IPv4 addresses in IPv6 form (`::ffff:192.0.2.0/120`, RFC 4291 section 2.5.5.2) as that of the IPv4
/// addresses: in this form clients' addresses are compared, so that in the other one nobody would ever be in it.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(six) => six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let four = mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    four.map_or(network, IpNet::V4)
}

fn opens_condition(word: &str) -> bool {
    matches!(
        word,
        "group" | "user" | "client" | "access-point" | "path" | "request-method" | "header" | "time"
    )
}

fn single_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn first_factor(expression: &Expression) -> Option<(&Factor, Span)> {
    match expression {
        Expression::All(parts) | Expression::Any(parts) => parts.iter().find_map(first_factor),
        Expression::Not(inner, _) => first_factor(inner),
        Expression::Term(Term::Factor(wanted), span) => Some((&wanted.factor, *span)),
        Expression::Term(..) | Expression::Reference(..) => None,
    }
}

#[cfg(test)]
#[path = "parser/tests.rs"]
mod tests;
