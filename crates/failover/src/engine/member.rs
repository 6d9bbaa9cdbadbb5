//! What a pool consists of, and what a member can be.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Which member: an instance's name, or an application server's URL. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(Arc<str>);

impl MemberId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for MemberId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
impl From<&evergate_model::Name> for MemberId {
    fn from(name: &evergate_model::Name) -> Self {
        Self(name.as_str().into())
    }
}
impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One member of a pool, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub id: MemberId,
    /// Where it is; the engine only compares it, the dialler knows its meaning.
    pub address: Arc<str>,
    /// The lowest number is preferred; equal numbers share the calls.
    pub priority: u32,
}

impl Member {
    /// A member.
    #[must_use]
    pub fn new(id: &str, address: &str, priority: u32) -> Self {
        Self { id: id.into(), address: address.into(), priority }
    }
}

/// What a member is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It answers.
    Up,
    /// It missed a heartbeat or an answer: last choice, still eligible.
    Suspect,
    /// It said that it stops: asked only when nobody else is left.
    Draining,
    /// It refused or dropped a connection: asked only when everybody is down.
    Down,
}

impl State {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Up, Self::Suspect, Self::Draining, Self::Down];

    /// The state's name, as in metrics and `evergate status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Draining => "draining",
            Self::Down => "down",
        }
    }
}
