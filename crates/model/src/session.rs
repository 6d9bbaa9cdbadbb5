//! What is known of a signed-in user when a decision is made.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::factor::ProvenFactor;
use crate::id::{Id, Session, User};

/// A session as a decision sees it: made of the session token, refreshed from the database where
/// that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// The session.
    pub session: Id<Session>,
    /// Whose it is.
    pub user: Id<User>,
    /// The name the user signs in by.
    pub user_name: String,
    /// The user's e-mail address, if known.
    pub email: Option<String>,
    /// The names of the groups the user is in, sorted.
    pub groups: Vec<String>,
    /// What the user has proven, each with the last time.
    pub factors: Vec<ProvenFactor>,
    /// When the session was opened.
    pub opened_at: Timestamp,
    /// When it ends whatever happens.
    pub ends_at: Timestamp,
}
