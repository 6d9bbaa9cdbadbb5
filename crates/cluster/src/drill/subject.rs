//! What a drill strikes: an instance of a service, or a server of an application.

use std::fmt;
use std::str::FromStr;

use evergate_model::Service;
use serde::{Serialize, Serializer};

/// What a drill strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An instance of this service.
    Service(Service),
    /// A server of an application of two: the drill's own.
    Upstream,
}

/// The text is none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a service nor `upstream`")]
pub struct SubjectError(String);

impl Subject {
    /// All, from the innermost to the door, and what lies behind it.
    pub const ALL: [Self; 6] = [
        Self::Service(Service::Policy),
        Self::Service(Service::Authentication),
        Self::Service(Service::Distribution),
        Self::Service(Service::Administration),
        Self::Service(Service::AccessPoint),
        Self::Upstream,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service(service) => service.as_str(),
            Self::Upstream => "upstream",
        }
    }

    /// What is sent while it is struck, in words.
    #[must_use]
    pub const fn load(self) -> &'static str {
        match self {
            Self::Service(Service::Policy) => "requests that policy decides each time",
            Self::Service(Service::Authentication) => {
                "sign-in pages, every 20th with a whole sign-in, 10 a second at most"
            }
            Self::Service(Service::Distribution) => "mails accepted",
            Self::Service(Service::Administration) => "API reads, every 10th a write",
            Self::Service(Service::AccessPoint) => "requests, half of them on new connections",
            Self::Upstream => "idempotent requests to an application of two servers",
        }
    }

    /// Whose links lead to it under the drill's load, so that their metrics tell of it. Nobody's lead
    /// to an access point: browsers choose it.
    pub(super) const fn caller(self) -> Option<Service> {
        match self {
            Self::Service(Service::AccessPoint) => None,
            Self::Service(Service::Distribution) => Some(Service::Administration),
            Self::Service(_) | Self::Upstream => Some(Service::AccessPoint),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let found = Self::ALL.into_iter().find(|subject| subject.as_str() == text);
        found.ok_or_else(|| SubjectError(text.chars().take(80).collect()))
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_found_by_its_name_and_nothing_else_is() {
        for subject in Subject::ALL {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert!("all".parse::<Subject>().is_err());
        assert_eq!(Subject::ALL.len(), Service::ALL.len() + 1);
    }
}
