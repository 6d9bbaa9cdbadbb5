//! Factors: the ways a user can prove who they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Name, Timestamp};

/// One way of proving who one is, as named in access rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Factor {
    /// A password.
    Password,
    /// A time-based code from an authenticator app (RFC 6238).
    Totp,
    /// A code sent by e-mail.
    EmailCode,
    /// One of a set of codes printed beforehand.
    RecoveryCode,
    /// A passkey (WebAuthn).
    Passkey,
    /// A client certificate.
    Certificate,
    /// A method that the configuration defines.
    Method(Name),
}

/// The words of the language of access rules, which no method may be named by.
pub const RESERVED_WORDS: [&str; 17] = [
    "anyone",
    "and",
    "or",
    "not",
    "within",
    "rule",
    "group",
    "user",
    "client",
    "in",
    "access-point",
    "path",
    "under",
    "request-method",
    "header",
    "matches",
    "time",
];

/// Why a text is not a factor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a factor")]
pub struct FactorError(String);

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::EmailCode => "email-code",
            Self::RecoveryCode => "recovery-code",
            Self::Passkey => "passkey",
            Self::Certificate => "certificate",
            Self::Method(name) => name.as_str(),
        })
    }
}

impl FromStr for Factor {
    type Err = FactorError;

    fn from_str(text: &str) -> Result<Self, FactorError> {
        let wrong = || FactorError(text.chars().take(80).collect());
        Ok(match text {
            "password" => Self::Password,
            "totp" => Self::Totp,
            "email-code" => Self::EmailCode,
            "recovery-code" => Self::RecoveryCode,
            "passkey" => Self::Passkey,
            "certificate" => Self::Certificate,
            word if RESERVED_WORDS.contains(&word) => return Err(wrong()),
            name => Self::Method(name.parse().map_err(|_| wrong())?),
        })
    }
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A factor that was proven, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenFactor {
    /// What was proven.
    pub factor: Factor,
    /// When it was proven last.
    pub at: Timestamp,
}

/// A factor that a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WantedFactor {
    /// What must be proven.
    pub factor: Factor,
    /// How recently, where the rule says so.
    pub within: Option<crate::Period>,
}
