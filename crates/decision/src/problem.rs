//! What can be wrong with a rule, and where it stands.

use std::fmt;

use evergate_model::Name;

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SyntaxError {
    /// The first character concerned, counted from 1.
    pub column: usize,
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
    /// The character in that text, counted from 1, where one can be named.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl RuleProblem {
    pub(crate) fn new(place: &Place, column: Option<usize>, message: impl Into<String>) -> Self {
        Self { place: place.clone(), column, message: message.into() }
    }
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.place)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}
