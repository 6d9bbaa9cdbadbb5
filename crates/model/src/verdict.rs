//! The answer of a decision.

use serde::{Deserialize, Serialize};

use crate::factor::WantedFactor;
use crate::{Reads, Timestamp};

/// May this request pass?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Yes.
    Permit,
    /// Not yet: any one of these sequences of factors would do, each in the order in which it is
    /// to be asked for, best first. Factors already proven are left out.
    SignIn {
        /// The sequences; never empty, and none of them is.
        sequences: Vec<Vec<WantedFactor>>,
    },
    /// No, and signing in would not help.
    Deny {
        /// What the user may know: which sort of condition failed, never its value.
        reason: String,
    },
}

/// A verdict, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What of the request it rests on.
    pub reads: Reads,
    /// The earliest moment at which the same request by the same session might be answered
    /// differently because time has passed; `Timestamp::MAX` where it would not.
    pub valid_until: Timestamp,
    /// Which condition decided, for the operator: the text of the condition and where it stands.
    pub because: String,
}
