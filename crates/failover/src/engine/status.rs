//! What a pool says of itself: `evergate status` and the console show it as it is.

use evergate_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, Engine, MemberId, State};

/// One link: a caller's pool to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Who gets the calls; nobody if all are down.
    pub active: Option<MemberId>,
    /// All members, in their order.
    pub candidates: Vec<Candidate>,
    /// How often calls moved, failbacks included.
    pub failovers: u64,
    /// The last time they did.
    pub last: Option<LastFailover>,
}

/// A member, as its caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub instance: MemberId,
    /// What it is taken to be.
    pub state: State,
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
    /// It is up, but not preferred before this moment, having been down, suspect or slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
}

/// The last failover or failback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFailover {
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
    /// Milliseconds from the first sign of trouble until calls went elsewhere.
    pub took_ms: u64,
}

impl Engine {
    /// What the pool is now.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> PoolStatus {
        let candidates = self.members.iter().map(|standing| Candidate {
            instance: standing.member.id.clone(),
            state: standing.state,
            cause: if standing.is_slow_at(now) { Cause::Slow } else { standing.cause },
            since: standing.since,
            held_until: Some(standing.held_until).filter(|until| standing.state == State::Up && *until > now),
        });
        PoolStatus {
            active: self.serving_at(now).into_iter().next(),
            candidates: candidates.collect(),
            failovers: self.failovers,
            last: self.last.clone(),
        }
    }
}
