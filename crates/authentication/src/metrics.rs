//! The names of this service's metrics.

use crate::error::Error;
use crate::flow::Judgement;

/// How sign-ins end, step by step; label `outcome`.
pub const SIGN_INS: &str = "evergate_sign_ins_total";

/// The outcomes that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A session was opened, or stepped up.
    Success,
    /// A password or code was wrong.
    Wrong,
    /// A code was right and had been used.
    Used,
    /// Too many attempts.
    Paused,
    /// The rule does not let this user in.
    Denied,
    /// Shed: too many passwords to check.
    Busy,
    /// Something behind did not answer.
    Unavailable,
    /// A fault of ours.
    Fault,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Wrong => "wrong",
            Self::Used => "used",
            Self::Paused => "paused",
            Self::Denied => "denied",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Fault => "fault",
        }
    }

    /// The outcome that an error is.
    #[must_use]
    pub(crate) const fn of_error(error: &Error) -> Self {
        match error {
            Error::Busy => Self::Busy,
            Error::Paused { .. } => Self::Paused,
            Error::Denied(_) => Self::Denied,
            Error::Store(_) | Error::Neighbour(_) | Error::NotReady => Self::Unavailable,
            _ => Self::Fault,
        }
    }
}

/// Counts an outcome.
pub(crate) fn count(outcome: Outcome) {
    metrics::counter!(SIGN_INS, "outcome" => outcome.as_str()).increment(1);
}

/// Counts a judgement that is an outcome: all but the right ones, after which the sign-in goes on.
pub(crate) fn count_judgement(judgement: Judgement) {
    match judgement {
        Judgement::Right => {}
        Judgement::Wrong | Judgement::Gone => count(Outcome::Wrong),
        Judgement::Used => count(Outcome::Used),
        Judgement::Paused { .. } => count(Outcome::Paused),
    }
}
