//! What can be wrong with a rule, and where it stands.

use std::fmt;

use evergate_model::Name;

use crate::limits;

/// Where in the text of a rule something stands: a character, line and column counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line; most rules have one.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

impl Position {
    /// The first character of a text.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The character at a byte offset of `text`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "column {}", self.column)
    }
}

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct SyntaxError {
    /// The first character concerned.
    pub at: Position,
    /// What was expected, and what was found.
    pub message: String,
}

/// Where in a configuration a rule stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The rule that holds for every resource.
    Global,
    /// A named rule.
    Rule(Name),
    /// A resource's own rule.
    Resource(Name),
    /// A resource's rule for a path.
    Path(Name, String),
    /// A resource's list of general rules.
    General(Name),
    /// The configuration as a whole.
    Configuration,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global_rule"),
            Self::Rule(name) => write!(f, "rules.{name}"),
            Self::Resource(name) => write!(f, "resources.{name}.rule"),
            Self::Path(name, prefix) => write!(f, "resources.{name}.paths.{prefix}"),
            Self::General(name) => write!(f, "resources.{name}.general"),
            Self::Configuration => f.write_str("configuration"),
        }
    }
}

/// One thing that is wrong with the rules of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RuleProblem {
    /// Which text it stands in.
    pub place: Place,
    /// The character in that text, where one can be named.
    pub at: Option<Position>,
    /// What is wrong.
    pub message: String,
}

impl RuleProblem {
    pub(crate) fn new(place: &Place, at: Option<Position>, message: impl Into<String>) -> Self {
        Self { place: place.clone(), at, message: message.into() }
    }
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.place)?;
        if let Some(at) = self.at {
            write!(f, ", {at}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The problems found so far: kept up to a limit, counted beyond it.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<RuleProblem>,
    hidden: usize,
}

impl Problems {
    /// Adds what `problem` makes, unless there are so many already that nobody would be shown it.
    pub(crate) fn add(&mut self, problem: impl FnOnce() -> RuleProblem) {
        if self.found.len() < limits::PROBLEMS {
            self.found.push(problem());
        } else {
            self.hidden += 1;
        }
    }

    /// All of them, the last one telling how many are not shown; `None` where there is none.
    pub(crate) fn into_all(mut self) -> Option<Vec<RuleProblem>> {
        if self.hidden > 0 {
            let message = format!("{} more problems", self.hidden);
            self.found.push(RuleProblem::new(&Place::Configuration, None, message));
        }
        (!self.found.is_empty()).then_some(self.found)
    }
}
