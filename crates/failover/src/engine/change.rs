//! What the engine wants the world to be told.

use std::fmt;

use evergate_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MemberId, State};

/// Why a state or the active member changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It was listed.
    Configured,
    /// It refused a connection.
    Refused,
    /// It dropped a connection.
    Reset,
    /// It left a call unanswered.
    TimedOut,
    /// It left a heartbeat unanswered.
    Unanswered,
    /// Its calls were overdue, and nothing else was heard of it.
    Overdue,
    /// Its calls were overdue again and again, although it answered other things.
    Slow,
    /// It said that it stops.
    Draining,
    /// It answered again.
    Answered,
    /// A preferred member was steady for long enough.
    Failback,
}

impl Cause {
    /// The cause's name, as in metrics and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed-out",
            Self::Unanswered => "unanswered",
            Self::Overdue => "overdue",
            Self::Slow => "slow",
            Self::Draining => "draining",
            Self::Answered => "answered",
            Self::Failback => "failback",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A member changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Who.
    pub member: MemberId,
    /// What it was.
    pub from: State,
    /// What it is now.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
    /// How long it had been what it was, in milliseconds.
    pub lasted_ms: u64,
}

/// Calls that went to one member now go to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// Who had them.
    pub from: MemberId,
    /// Who is active now.
    pub to: MemberId,
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
    /// Milliseconds from the first sign of trouble until calls went elsewhere.
    pub took_ms: u64,
}

/// What is to be told: to metrics, logs, and whoever watches the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Command {
    /// A member changed its state.
    Changed(Change),
    /// The calls go elsewhere.
    Failover(Failover),
}
