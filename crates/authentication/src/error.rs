//! Why a request has no proper page, and the only mapping to a status, a log level and two texts:
//! what the user may read, what the operator reads.

use axum::response::{IntoResponse, Response};
use evergate_keys::KeyError;
use evergate_model::id::Request;
use evergate_model::{Id, Timestamp};
use evergate_pages::Message;
use evergate_store::StoreError;
use http::StatusCode;

use crate::answer::{self, RetryAfter};
use crate::form::FormError;
use crate::neighbours::NeighbourError;

/// Why a request has no proper page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// Another service.
    #[error("a neighbour failed")]
    Neighbour(#[from] NeighbourError),
    /// The posted form.
    #[error("the form was refused")]
    Form(#[from] FormError),
    /// Something of the request; what the user may read.
    #[error("the request was refused: {0}")]
    Malformed(&'static str),
    /// A form of another session or site.
    #[error("the form is not of this session")]
    ForeignForm,
    /// The sign-in cannot be gone on with.
    #[error("the sign-in cannot be gone on with")]
    Expired,
    /// More passwords to check than there is time for.
    #[error("too many passwords are being checked")]
    Busy,
    /// Too many attempts.
    #[error("too many attempts")]
    Paused {
        /// When the pause ends.
        until: Timestamp,
        /// The present moment.
        now: Timestamp,
    },
    /// Not allowed, and why.
    #[error("denied: {0}")]
    Denied(String),
    /// The session is over: sign in, then come back to this path.
    #[error("there is no session")]
    NoSession {
        /// Where to come back to.
        path: String,
        /// Whether the cookie goes.
        clear_cookie: bool,
    },
    /// No such page.
    #[error("there is no such page")]
    NotFound,
    /// Before the first snapshot or keys.
    #[error("this instance has no configuration or keys yet")]
    NotReady,
    /// A fault of ours.
    #[error("{0}")]
    Fault(&'static str),
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        tracing::error!(%error, "a key cannot be used");
        Self::Fault("a key cannot be used")
    }
}

/// An error and the request it belongs to, which its page names.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The error.
    pub error: Error,
    /// The request.
    pub request: Id<Request>,
}

/// Whole minutes until `until`, at least one.
fn minutes(now: Timestamp, until: Timestamp) -> u64 {
    until.since(now).as_secs().div_ceil(60).max(1)
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Self { error, request } = self;
        tell(&error, request);
        let soon = RetryAfter::seconds(1);
        match error {
            Error::NoSession { path, clear_cookie } => answer::to_sign_in(&path, clear_cookie),
            Error::Store(ref store) if store.is_temporary() => answer::message(
                StatusCode::SERVICE_UNAVAILABLE,
                &Message::unavailable().for_request(request),
                soon,
            ),
            Error::Neighbour(NeighbourError::Unavailable(_)) | Error::NotReady => answer::message(
                StatusCode::SERVICE_UNAVAILABLE,
                &Message::unavailable().for_request(request),
                soon,
            ),
            Error::Busy => {
                answer::busy(answer::message(StatusCode::SERVICE_UNAVAILABLE, &Message::busy(), soon))
            }
            Error::Paused { until, now } => answer::message(
                StatusCode::TOO_MANY_REQUESTS,
                &Message::locked(minutes(now, until)),
                RetryAfter::seconds(until.since(now).as_secs().max(1)),
            ),
            Error::Denied(reason) => {
                answer::message(StatusCode::FORBIDDEN, &Message::denied(&reason).for_request(request), None)
            }
            Error::ForeignForm => answer::message(StatusCode::FORBIDDEN, &Message::foreign_form(), None),
            Error::Expired => answer::message(StatusCode::BAD_REQUEST, &Message::expired(), None),
            Error::Form(FormError::TooLong) => answer::message(
                StatusCode::PAYLOAD_TOO_LARGE,
                &Message::malformed("The form is too long."),
                None,
            ),
            Error::Form(_) => answer::message(
                StatusCode::BAD_REQUEST,
                &Message::malformed("The form cannot be read."),
                None,
            ),
            Error::Malformed(what) => {
                answer::message(StatusCode::BAD_REQUEST, &Message::malformed(what), None)
            }
            // Ended between two calls: the way is the same as if it had ended before.
            Error::Neighbour(NeighbourError::SessionGone) => answer::to_sign_in("/", true),
            Error::NotFound | Error::Neighbour(NeighbourError::NotFound(_)) => {
                answer::message(StatusCode::NOT_FOUND, &Message::not_found(), None)
            }
            Error::Store(_) | Error::Neighbour(_) | Error::Fault(_) => answer::message(
                StatusCode::INTERNAL_SERVER_ERROR,
                &Message::error().for_request(request),
                None,
            ),
        }
    }
}

/// What the operator reads.
fn tell(error: &Error, request: Id<Request>) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    match error {
        Error::Store(store) if store.is_temporary() => {
            tracing::warn!(%request, %error, cause, "request refused");
        }
        Error::Neighbour(NeighbourError::Unavailable(_)) | Error::Busy => {
            tracing::warn!(%request, %error, cause, "request refused");
        }
        Error::Neighbour(NeighbourError::SessionGone | NeighbourError::NotFound(_)) => {
            tracing::debug!(%request, %error, cause, "request refused");
        }
        Error::Store(_) | Error::Neighbour(_) | Error::Fault(_) => {
            tracing::error!(%request, %error, cause, "request failed");
        }
        _ => tracing::debug!(%request, %error, cause, "request refused"),
    }
}
