//! What a pool needs to be given: how to connect to a member, and how to ask whether it lives.

use std::future::Future;

use crate::engine::{Failure, Member};

/// Makes connections to the members of one pool.
pub trait Dial: Send + Sync + 'static {
    /// A connection that many calls share. One that is broken makes calls fail; the pool then drops
    /// it and dials again.
    type Link: Clone + Send + Sync + 'static;

    /// Connects to a member. The pool limits the time.
    fn dial(&self, member: &Member) -> impl Future<Output = Result<Self::Link, DialError>> + Send;

    /// Asks a member, through the queue that serves its calls, whether it serves. The pool limits
    /// the time.
    fn beat(&self, link: &Self::Link) -> impl Future<Output = Result<Beat, BeatError>> + Send;

    /// Whether the connection is over. A call that fails on one that stands was turned away, or
    /// broken off, by a member that lives. By default a failed call means a broken connection.
    fn is_closed(&self, _link: &Self::Link) -> bool {
        true
    }
}

/// A heartbeat's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It serves.
    Serving,
    /// It is about to stop, or has not yet begun.
    Draining,
}

/// Why no connection was made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DialError {
    /// It was refused.
    #[error("refused: {0}")]
    Refused(String),
    /// It died before it could be used, also in the TLS handshake.
    #[error("dropped: {0}")]
    Dropped(String),
    /// It was not made in time.
    #[error("timed out")]
    TimedOut,
}

impl DialError {
    pub(super) const fn failure(&self) -> Failure {
        match self {
            Self::Refused(_) => Failure::Refused,
            Self::Dropped(_) => Failure::Reset,
            Self::TimedOut => Failure::TimedOut,
        }
    }
}

impl From<std::io::Error> for DialError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Self::Refused(error.to_string()),
            std::io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Dropped(error.to_string()),
        }
    }
}

/// Why a heartbeat has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BeatError {
    /// The connection died.
    #[error("connection lost: {0}")]
    Lost(String),
    /// No answer came in the dialler's own time.
    #[error("no answer in time")]
    TimedOut,
}
