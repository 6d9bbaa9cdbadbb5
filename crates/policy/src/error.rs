//! Why a call has no good answer, and the only mapping of that to a status.

use evergate_keys::KeyError;
use evergate_model::{Host, Name};
use evergate_store::StoreError;
use evergate_store::effects::NoKey;
use evergate_tokens::session_token::EncodeError;
use evergate_wire::convert::ConvertError;
use tonic::{Code, Status};

/// Why a call to policy has no good answer. A verdict is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A field is not what it should be.
    #[error(transparent)]
    Field(#[from] ConvertError),
    /// The caller's kind may make this call, but not so.
    #[error("this caller may not ask for that")]
    NotAllowed,
    /// This instance's configuration has no such resource; another's may be newer.
    #[error("there is no resource `{0}` in configuration version {1}")]
    NoResource(Name, u64),
    /// This instance's configuration has no such host on that resource.
    #[error("there is no resource with the host `{0}` in configuration version {1}")]
    NoHost(Host, u64),
    /// There is no such user, or it may not sign in.
    #[error("there is no such active user")]
    NoUser,
    /// The token is not good, or its session has ended.
    #[error("the session has ended")]
    NoSession,
    /// There is no such session, or it is none of the caller's.
    #[error("there is no such session")]
    NoSuchSession,
    /// The hand-over was used, has expired, is for another browser, or never was.
    #[error("the hand-over is not good any more")]
    NoHandOver,
    /// This instance has no configuration or no keys yet.
    #[error("this instance is starting")]
    NotYet,
    /// The database is away.
    #[error("the database cannot be reached")]
    DatabaseAway,
    /// The database did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys to sign with cannot be used.
    #[error("the internal keys cannot be used")]
    Keys(#[from] KeyError),
    /// A session does not fit a token.
    #[error("the session does not fit a token")]
    Token(#[from] EncodeError),
}

impl From<NoKey> for PolicyError {
    fn from(wrong: NoKey) -> Self {
        Self::Field(ConvertError::new("effect_key", wrong))
    }
}

impl PolicyError {
    /// The status, and what the caller may read beyond it; `None`: the same as the operator.
    fn status(&self) -> (Code, Option<&'static str>) {
        match self {
            Self::Field(_) => (Code::InvalidArgument, None),
            Self::NotAllowed => (Code::PermissionDenied, None),
            // It comes out of an access point's snapshot: an instance with as new a one knows it.
            Self::NoResource(..) => (Code::Unavailable, None),
            // It comes out of an address bar.
            Self::NoHost(..) => (Code::NotFound, None),
            Self::NoUser => (Code::FailedPrecondition, None),
            Self::NoSession => (Code::Unauthenticated, None),
            Self::NoHandOver | Self::NoSuchSession => (Code::NotFound, None),
            Self::NotYet | Self::DatabaseAway => (Code::Unavailable, None),
            Self::Store(StoreError::OtherEffect(_)) => {
                (Code::AlreadyExists, Some("the effect key was used before for something else"))
            }
            Self::Store(error) if error.is_temporary() => {
                (Code::Unavailable, Some("the database cannot be reached"))
            }
            Self::Store(_) | Self::Keys(_) | Self::Token(_) => {
                (Code::Internal, Some("policy cannot answer this"))
            }
        }
    }
}

impl From<PolicyError> for Status {
    fn from(error: PolicyError) -> Self {
        let (code, told) = error.status();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        match code {
            Code::Internal => tracing::error!(%error, cause, "a call failed"),
            Code::Unavailable => tracing::warn!(%error, cause, "a call could not be answered"),
            _ => tracing::debug!(%error, cause, "a call was refused"),
        }
        Self::new(code, told.map_or_else(|| error.to_string(), str::to_owned))
    }
}
