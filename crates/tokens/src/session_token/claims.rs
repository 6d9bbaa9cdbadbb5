//! What a session token says.

use evergate_model::{Host, SessionFacts, Timestamp};

/// What a session token says, once signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The session and its user.
    pub facts: SessionFacts,
    /// The only host that it is good for.
    pub host: Host,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it is refused; never after the session's end.
    pub expires_at: Timestamp,
    /// How far the maker had followed the revocation log.
    pub log_position: u64,
    /// The groups were too many for a token: `facts.groups` is empty and says nothing. Whoever
    /// decides by groups must read them from the database, and without it cannot.
    pub groups_left_out: bool,
}

impl Claims {
    /// The same without groups, for when they made the token too long.
    #[must_use]
    pub fn without_groups(mut self) -> Self {
        self.facts.groups = Vec::new();
        self.groups_left_out = true;
        self
    }
}
