//! One access rule, as it is written.
//!
//! ```text
//! rule      = and { "or" and }            and  = term { "and" term }          term = [ "not" ] atom
//! atom      = "anyone" | factor [ "within" duration ] | condition | "rule" "(" name ")" | "(" rule ")"
//! ```
//! `not` applies to conditions only: what a user has proven can be asked for, never forbidden.

use std::fmt;

use evergate_model::Name;
use evergate_model::factor::WantedFactor;

use crate::condition::Condition;
use crate::parser;
use crate::problem::SyntaxError;

/// A rule that obeys the grammar. Whether the rules it refers to exist is seen when all rules are
/// put together ([`crate::RuleSet::compile`]).
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it says.
    pub expression: Expression,
    pub(crate) text: String,
}

/// Where in a rule's text something stands: byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// What a rule, or a part of one, says.
#[derive(Debug, Clone)]
pub enum Expression {
    /// All of these; at least two.
    All(Vec<Expression>),
    /// Any of these; at least two.
    Any(Vec<Expression>),
    /// Not this, which holds no factor.
    Not(Box<Expression>, Span),
    /// Whatever the rule of that name says.
    Reference(Name, Span),
    /// A single thing to look at.
    Term(Term, Span),
}

/// A single thing to look at.
#[derive(Debug, Clone)]
pub enum Term {
    /// Everybody, signed in or not.
    Anyone,
    /// The user has proven this.
    Factor(WantedFactor),
    /// The request, the time or the user is like this.
    Condition(Condition),
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// When the text breaks the grammar or one of [`crate::limits`], naming the column.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self { expression: parser::parse(text)?, text: text.to_owned() })
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], word| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    f.write_str(word)?;
                }
                match part {
                    Self::All(_) | Self::Any(_) => write!(f, "({part})")?,
                    part => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::All(parts) => list(f, parts, " and "),
            Self::Any(parts) => list(f, parts, " or "),
            Self::Not(inner, _) => match **inner {
                Self::Term(..) | Self::Reference(..) => write!(f, "not {inner}"),
                _ => write!(f, "not ({inner})"),
            },
            Self::Reference(name, _) => write!(f, "rule({name})"),
            Self::Term(term, _) => write!(f, "{term}"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Factor(WantedFactor { factor, within: None }) => write!(f, "{factor}"),
            Self::Factor(WantedFactor { factor, within: Some(period) }) => {
                write!(f, "{factor} within {period}")
            }
            Self::Condition(condition) => write!(f, "{condition}"),
        }
    }
}
