//! Which history of which PostgreSQL was seen: what instances remember and tell each other, so that
//! none of them goes back to a server that was replaced.

use serde::{Deserialize, Serialize};

/// A timeline of one PostgreSQL and of all its standbys. Every promotion begins a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseTimeline {
    /// What PostgreSQL gave itself when it was made (`pg_controldata`): its standbys have the same, and a
    /// database restored elsewhere from a dump another. 0 where the server does not say it.
    pub system_identifier: u64,
    /// The timeline.
    pub timeline: u32,
}
