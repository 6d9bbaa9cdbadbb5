//! Who did it: every write that is audited takes one.

use std::fmt;
use std::str::FromStr;

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

/// Why a text is not an actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an actor")]
pub struct ActorError(String);

impl FromStr for Actor {
    type Err = ActorError;

    /// The form of the audit log.
    fn from_str(text: &str) -> Result<Self, ActorError> {
        let wrong = || ActorError(text.chars().take(80).collect());
        let actor = match text.split_once(' ') {
            None if text == "system" => Some(Self::System),
            None => text.parse().map(Self::User).ok().or_else(|| text.parse().map(Self::ApiToken).ok()),
            Some(("administrator", user)) => user.parse().map(Self::Administrator).ok(),
            Some(("instance", name)) => name.parse().map(Self::Instance).ok(),
            Some(_) => None,
        };
        actor.ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use evergate_model::Timestamp;

    use super::*;

    #[test]
    fn an_actor_survives_its_text_form() {
        let (user, token) = (Id::new(Timestamp::from_seconds(1), [1; 10]), [2; 10]);
        let actors = [
            Actor::User(user),
            Actor::Administrator(user),
            Actor::ApiToken(Id::new(Timestamp::from_seconds(1), token)),
            Actor::Instance("policy1".parse().unwrap()),
            Actor::System,
        ];
        for actor in actors {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        assert!("somebody".parse::<Actor>().is_err());
    }
}
