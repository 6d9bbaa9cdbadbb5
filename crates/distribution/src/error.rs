//! Why a call has no good answer, and the only mapping of that to a status.

use evergate_keys::KeyError;
use evergate_store::StoreError;
use evergate_store::effects::NoKey;
use evergate_wire::convert::ConvertError;
use tonic::{Code, Status};

/// Why a call to distribution has no good answer. A wrong code is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// A field is not what it should be.
    #[error(transparent)]
    Field(#[from] ConvertError),
    /// The outbox takes no more at the moment.
    #[error("more mail comes in than can be written down")]
    Overloaded,
    /// A whole batch of messages could not be written down.
    #[error("the outbox cannot be written: {0}")]
    Outbox(String),
    /// There is no such user.
    #[error("there is no such user")]
    NoUser,
    /// The snapshot holds no key for sealing seeds.
    #[error("there is no key to seal seeds with yet")]
    NoSeedKey,
    /// The keys to seal with cannot be used.
    #[error("the internal keys cannot be used")]
    Keys(#[from] KeyError),
    /// What was sealed by an earlier key cannot be opened any more.
    #[error("what is kept of an enrolment cannot be read")]
    Unreadable,
    /// The database did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NoKey> for DistributionError {
    fn from(wrong: NoKey) -> Self {
        Self::Field(ConvertError::new("effect_key", wrong))
    }
}

impl DistributionError {
    /// The status, and what the caller may read beyond it; `None`: the same as the operator.
    /// `Unavailable` makes the caller try the other instance.
    fn status(&self) -> (Code, Option<&'static str>) {
        match self {
            Self::Field(_) => (Code::InvalidArgument, None),
            Self::Overloaded => (Code::ResourceExhausted, None),
            Self::Outbox(_) => (Code::Unavailable, Some("the database cannot be reached")),
            Self::NoUser => (Code::NotFound, None),
            Self::NoSeedKey => (Code::Unavailable, None),
            Self::Store(StoreError::OtherEffect(_)) => {
                (Code::AlreadyExists, Some("the effect key was used before for something else"))
            }
            Self::Store(error) if error.is_temporary() => {
                (Code::Unavailable, Some("the database cannot be reached"))
            }
            Self::Store(_) | Self::Keys(_) | Self::Unreadable => {
                (Code::Internal, Some("distribution cannot answer this"))
            }
        }
    }
}

impl From<DistributionError> for Status {
    fn from(error: DistributionError) -> Self {
        let (code, told) = error.status();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        match code {
            Code::Internal => tracing::error!(%error, cause, "a call failed"),
            Code::Unavailable | Code::ResourceExhausted => {
                tracing::warn!(%error, cause, "a call could not be answered");
            }
            _ => tracing::debug!(%error, cause, "a call was refused"),
        }
        Self::new(code, told.map_or_else(|| error.to_string(), str::to_owned))
    }
}
