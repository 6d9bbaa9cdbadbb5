//! Why administration did not do what it was asked, and the only mapping of that to a status, a
//! log level and two texts: what the caller may read, and what the operator reads.

use axum::http::StatusCode;
pub(crate) use evergate_process::telemetry::chain;
use evergate_store::StoreError;
use evergate_wire::peers::PeerError;
use serde::Serialize;
use tonic::Code;

use crate::configuration::Problem;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// Policy or distribution.
    #[error("another service failed")]
    Peer(#[from] PeerError),
    /// The caller's input, with everything that is wrong with it.
    #[error("{}", problems_text(.0))]
    Invalid(Vec<Problem>),
    /// There is no such thing, or the caller may not know of it.
    #[error("there is no {0}")]
    NotFound(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// Another thing of that name is there, which the caller wanted kept (as `If-None-Match`, RFC 9110
    /// section 13.1.2).
    #[error("there is another {0} already")]
    Kept(String),
    /// The configuration was changed since; with what changed.
    #[error("the configuration has changed since version {base}; the latest is {latest}")]
    Stale {
        /// The version that the caller began with.
        base: u64,
        /// The latest version.
        latest: u64,
        /// What has changed in between.
        changes: Vec<crate::configuration::Change>,
    },
    /// Nobody said who they are.
    #[error("sign-in required")]
    NoCredentials,
    /// The caller may not.
    #[error("the privilege `{0}` is required")]
    Forbidden(crate::Privilege),
    /// The caller may not, for another reason.
    #[error("{0}")]
    Refused(String),
    /// More than can be worked on now.
    #[error("too many requests at once")]
    Busy,
    /// Something sealed cannot be opened: the wrapping key is another one, or it was changed.
    #[error("`{0}` cannot be opened with this wrapping key")]
    Sealed(String),
    /// The database lacks what setup puts there.
    #[error("the database holds no {0}")]
    Missing(&'static str),
    /// A key or certificate cannot be made or used.
    #[error("{what}: {why}")]
    Crypto {
        /// What was attempted.
        what: &'static str,
        /// What the library says.
        why: String,
    },
}

impl Failure {
    pub(crate) fn crypto(what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |why| Self::Crypto { what, why: why.to_string() }
    }

    /// One thing that is wrong with the caller's input.
    pub(crate) fn invalid(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem::new(place, message)])
    }

    /// The status of an HTTP answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(StoreError::Taken(_) | StoreError::OtherEffect(_)) | Self::Conflict(_) => {
                StatusCode::CONFLICT
            }
            Self::Store(error) if error.is_temporary() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Peer(error) if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Peer(error) => match error.code() {
                Code::NotFound => StatusCode::NOT_FOUND,
                Code::InvalidArgument => StatusCode::UNPROCESSABLE_ENTITY,
                Code::AlreadyExists | Code::FailedPrecondition => StatusCode::CONFLICT,
                _ => StatusCode::BAD_GATEWAY,
            },
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Stale { .. } => StatusCode::CONFLICT,
            Self::Kept(_) => StatusCode::PRECONDITION_FAILED,
            Self::NoCredentials => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Refused(_) => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Sealed(_) | Self::Missing(_) | Self::Crypto { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// What the caller may read.
    #[must_use]
    pub fn public_text(&self) -> String {
        match self {
            Self::Store(StoreError::Taken(_)) => "there is already such a thing".to_owned(),
            Self::Store(StoreError::OtherEffect(_)) => {
                "the idempotency key was used before for another request".to_owned()
            }
            Self::Store(error) if error.is_temporary() => {
                "the database does not answer at the moment; nothing was changed".to_owned()
            }
            Self::Peer(PeerError::Answered { status, .. }) if !self.status().is_server_error() => {
                status.message().to_owned()
            }
            Self::Peer(PeerError::Unavailable { service, .. } | PeerError::Answered { service, .. }) => {
                format!("the {service} service does not answer at the moment; nothing was changed")
            }
            Self::Invalid(problems) if problems.len() > 1 => {
                format!("{} problems; nothing was changed", problems.len())
            }
            Self::Store(_) | Self::Sealed(_) | Self::Missing(_) | Self::Crypto { .. } => {
                "the fault is on this side and has been recorded".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// Tells the operator, as loudly as it matters.
    pub(crate) fn record(&self) {
        let text = chain(self);
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(error = text, "a request failed"),
            status if status.is_server_error() => {
                tracing::warn!(error = text, "a request could not be answered")
            }
            _ => tracing::debug!(error = text, "a request was refused"),
        }
    }
}

impl From<Failure> for tonic::Status {
    fn from(failure: Failure) -> Self {
        failure.record();
        let text = failure.public_text();
        match failure.status() {
            StatusCode::SERVICE_UNAVAILABLE => Self::unavailable(text),
            StatusCode::NOT_FOUND => Self::not_found(text),
            StatusCode::CONFLICT => Self::failed_precondition(text),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::permission_denied(text),
            StatusCode::UNPROCESSABLE_ENTITY => Self::invalid_argument(text),
            _ => Self::internal(text),
        }
    }
}

/// An error's body, after RFC 9457.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct ErrorBody {
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What went wrong, in one text for people.
    pub error: String,
    /// Everything that is wrong with the input, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What has changed since the version the caller began with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<crate::configuration::Change>,
}

impl From<&Failure> for ErrorBody {
    fn from(failure: &Failure) -> Self {
        let status = failure.status();
        let (problems, changes) = match failure {
            Failure::Invalid(problems) => (problems.iter().map(ToString::to_string).collect(), Vec::new()),
            Failure::Stale { changes, .. } => (Vec::new(), changes.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        Self {
            title: status.canonical_reason().unwrap_or("error").to_owned(),
            status: status.as_u16(),
            error: failure.public_text(),
            problems,
            changes,
        }
    }
}

fn problems_text(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
