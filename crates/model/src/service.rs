//! The five kinds of service.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the five services of design.md section 2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Changes and publishes the configuration, hands out keys, collects status.
    Administration,
    /// Decides, and owns sessions.
    Policy,
    /// Signs users in.
    Authentication,
    /// Delivers codes and notices, hands out soft tokens.
    Distribution,
    /// The reverse proxy that every request enters by.
    AccessPoint,
}

impl Service {
    /// All five, in the order in which they are started.
    pub const ALL: [Self; 5] =
        [Self::Administration, Self::Policy, Self::Authentication, Self::Distribution, Self::AccessPoint];

    /// The service's name, as in `network.yml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administration => "administration",
            Self::Policy => "policy",
            Self::Authentication => "authentication",
            Self::Distribution => "distribution",
            Self::AccessPoint => "access-point",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a service: administration, policy, authentication, distribution or access-point")]
pub struct ServiceError(String);

impl FromStr for Service {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        Self::ALL
            .into_iter()
            .find(|service| service.as_str() == text)
            .ok_or_else(|| ServiceError(text.chars().take(80).collect()))
    }
}
