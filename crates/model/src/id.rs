//! Ids that know what they are ids of, so that a session's id cannot be passed for a user's.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::Timestamp;

/// What an id can be an id of; `PREFIX` opens its text form.
pub trait Kind {
    /// The word before the underscore: `session` in `session_0190...`.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {}
        impl Kind for $name { const PREFIX: &'static str = $prefix; }
    )*};
}

kinds! {
    /// A signed-in user's session.
    Session = "session";
    /// A person's account.
    User = "user";
    /// A password, a soft token, a set of recovery codes.
    Credential = "credential";
    /// One received request; the access point makes it and repeats it on its own retries.
    Request = "request";
    /// One run through the sign-in pages.
    SignIn = "signin";
    /// A one-use row that carries a session to another host.
    HandOver = "handover";
    /// A message in the outbox.
    Message = "message";
    /// An unfinished soft-token enrolment.
    Enrolment = "enrolment";
    /// A token for the administration API.
    ApiToken = "token";
    /// A key of any kind.
    Key = "key";
    /// An installation: what all of its instances, keys and snapshots belong to.
    Lineage = "lineage";
}

/// A UUIDv7 (RFC 9562) that is the id of a `K`. Text form: the kind, `_`, 32 lower-case hex digits, and no other. Of
/// an id that comes in the version is not looked at: it is a name, not a proof.
pub struct Id<K: Kind>(Uuid, PhantomData<fn() -> K>);

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an id of a {wanted}; it should look like `{wanted}_0190c7a3e5b07c3aa4f28c1d9e6b7f00`"
)]
pub struct IdError {
    text: String,
    wanted: &'static str,
}

impl<K: Kind> Id<K> {
    /// The id made of this moment and these ten random bytes.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let milliseconds = u64::try_from(now.as_milliseconds()).unwrap_or(0);
        Self::from_uuid(Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid())
    }

    /// The id that is this UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The id whose UUID has these sixteen bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    /// The UUID.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The sixteen bytes of the UUID.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl<K: Kind> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Id<K> {}
impl<K: Kind> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K: Kind> Eq for Id<K> {}
impl<K: Kind> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K: Kind> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K: Kind> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, self.0.simple())
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .filter(|hex| hex.len() == 32 && hex.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')))
            .and_then(|hex| Uuid::try_parse(hex).ok())
            .map(Self::from_uuid)
            .ok_or_else(|| IdError { text: text.chars().take(80).collect(), wanted: K::PREFIX })
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id: Id<Session> = Id::new(Timestamp::from_seconds(1_700_000_000), [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with("session_018bcfe5"));
    }

    #[test]
    fn an_id_has_one_text_form() {
        let good = "session_018bcfe568007777b777777777777777";
        assert!(good.parse::<Id<Session>>().is_ok());
        for bad in [
            "",
            "session_",
            "session_018BCFE568007777B777777777777777",
            "session_018bcfe5-6800-7777-b777-777777777777",
            "session_018bcfe568007777b7777777777777777",
            "session_{18bcfe568007777b77777777777777}",
            "SESSION_018bcfe568007777b777777777777777",
            "session018bcfe568007777b777777777777777",
            " session_018bcfe568007777b777777777777777",
        ] {
            assert!(bad.parse::<Id<Session>>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id: Id<Session> = Id::new(Timestamp::from_seconds(1), [0; 10]);
        let error = id.to_string().parse::<Id<User>>().unwrap_err().to_string();
        assert!(error.contains("is not an id of a user"), "{error}");
    }
}
