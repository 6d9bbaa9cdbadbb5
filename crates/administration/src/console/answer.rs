//! Pages as answers, with the headers that every page has.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evergate_pages::{Message, Page, security};

use crate::Failure;

/// A page.
pub(super) fn page(status: StatusCode, page: &impl Page) -> Response {
    let mut response = (status, page.html()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(security::CONTENT_TYPE));
    let policy = HeaderValue::from_static(security::CONSOLE_CONTENT_SECURITY_POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in security::HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// A page with one thing to say.
pub(super) fn message(status: StatusCode, message: &Message) -> Response {
    page(status, message)
}

/// What became of it, as a page.
pub(super) fn failure(failure: &Failure) -> Response {
    failure.record();
    let status = failure.status();
    let text = match status {
        StatusCode::SERVICE_UNAVAILABLE if matches!(failure, Failure::Busy) => Message::busy(),
        StatusCode::SERVICE_UNAVAILABLE => Message::unavailable(),
        StatusCode::FORBIDDEN => Message::foreign_form(),
        _ => Message::error(),
    };
    let mut response = message(status, &text);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// On to another page.
pub(super) fn see_other(path: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path), (header::CACHE_CONTROL, "no-store")]).into_response()
}

/// The same answer, setting a cookie.
pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
