//! What an endpoint answers, in a form that can be kept and given again.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ErrorBody, Failure};

/// Seconds after which a caller may try again what failed for now.
const RETRY_AFTER: &str = "1";

/// A good answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// 200 with a body.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::with(StatusCode::OK, body)
    }

    /// 201 with a body.
    pub(crate) fn created(body: &impl Serialize) -> Self {
        Self::with(StatusCode::CREATED, body)
    }

    /// 202 with a body.
    pub(crate) fn accepted(body: &impl Serialize) -> Self {
        Self::with(StatusCode::ACCEPTED, body)
    }

    /// 204.
    pub(crate) const fn nothing() -> Self {
        Self { status: 204, body: Value::Null }
    }

    fn with(status: StatusCode, body: &impl Serialize) -> Self {
        Self { status: status.as_u16(), body: serde_json::to_value(body).unwrap_or(Value::Null) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        if status == StatusCode::NO_CONTENT {
            return status.into_response();
        }
        (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(self.body)).into_response()
    }
}

/// Why an endpoint stops before its end: it failed, or the same request was answered before.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failed(Box<Failure>),
    /// This is a repetition: the answer of the first time.
    Done(Answer),
}

impl<E> From<E> for Stop
where
    Failure: From<E>,
{
    fn from(error: E) -> Self {
        Self::Failed(Box::new(Failure::from(error)))
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        match self {
            Self::Done(answer) => answer.into_response(),
            Self::Failed(failure) => failure.into_response(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.record();
        let status = self.status();
        let mut response = (status, axum::Json(ErrorBody::from(&self))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
