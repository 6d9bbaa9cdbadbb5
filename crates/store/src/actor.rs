//! Who did it: every write that is audited takes one.

use std::fmt;

use evergate_model::id::{ApiToken, User};
use evergate_model::{Id, Name};

/// Who causes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user, for themselves.
    User(Id<User>),
    /// An administrator, in the console.
    Administrator(Id<User>),
    /// Whoever holds an API token.
    ApiToken(Id<ApiToken>),
    /// An instance, of its own accord.
    Instance(Name),
    /// The installation itself: setup, expiry, rotation.
    System,
}

impl fmt::Display for Actor {
    /// The form of the audit log: `administrator user_0190...`, `instance policy1`, `system`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "{user}"),
            Self::Administrator(user) => write!(f, "administrator {user}"),
            Self::ApiToken(token) => write!(f, "{token}"),
            Self::Instance(name) => write!(f, "instance {name}"),
            Self::System => f.write_str("system"),
        }
    }
}
