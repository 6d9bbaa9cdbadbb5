//! What became of each condition of a rule, for the operator who asks why.

use std::fmt;

use evergate_model::verdict::Decision;

use crate::problem::{Place, Position};
use crate::value::Outcome;

/// A decision, and each factor and condition that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// What was looked at, in order.
    pub terms: Vec<ExplainedTerm>,
}

/// One factor or condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedTerm {
    /// As it is written.
    pub text: String,
    /// Which text it stands in.
    pub place: Place,
    /// Where in it.
    pub at: Position,
    /// What became of it.
    pub outcome: TermOutcome,
}

/// What became of a factor or condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermOutcome {
    /// It holds.
    Holds,
    /// It does not, and signing in would not change that.
    Fails,
    /// It may hold once the user has proven more.
    Needed,
}

impl From<&Outcome> for TermOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Holds => Self::Holds,
            Outcome::Fails => Self::Fails,
            Outcome::Needs(_) => Self::Needed,
        }
    }
}

impl fmt::Display for TermOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Needed => "needed",
        })
    }
}
