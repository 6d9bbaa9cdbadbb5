//! Pages as HTTP answers: status, headers, cookies.

use axum::body::Body;
use axum::response::Response;
use evergate_pages::security::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HEADERS};
use evergate_pages::{Message, Page};
use evergate_wire::page_headers::{BUSY, LOG_POSITION};
use http::header::{
    CONTENT_SECURITY_POLICY as POLICY, CONTENT_TYPE as TYPE, LOCATION, RETRY_AFTER, SET_COOKIE,
};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::cookies;

/// After how many seconds the same request may succeed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryAfter(u64);

impl RetryAfter {
    /// So many.
    #[must_use]
    #[expect(clippy::unnecessary_wraps, reason = "what is passed where there may be none")]
    pub(crate) const fn seconds(seconds: u64) -> Option<Self> {
        Some(Self(seconds))
    }
}

/// A page.
pub(crate) fn page(status: StatusCode, page: &impl Page) -> Response {
    let mut response = with_headers(status, Body::from(page.html()));
    response.headers_mut().insert(TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response.headers_mut().insert(POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}

/// A page with one thing to say.
pub(crate) fn message(status: StatusCode, message: &Message, retry: Option<RetryAfter>) -> Response {
    let mut response = page(status, message);
    if let Some(RetryAfter(seconds)) = retry {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Says to the access point that nothing was done for want of time, so that it asks another instance.
pub(crate) fn busy(mut response: Response) -> Response {
    response.headers_mut().insert(BUSY, HeaderValue::from_static("1"));
    response
}

/// Says to the access point from which position in the revocation log on it is known that sessions have
/// ended, of which the answer speaks.
pub(crate) fn after_ending(mut response: Response, position: i64) -> Response {
    response.headers_mut().insert(LOG_POSITION, HeaderValue::from(position));
    response
}

/// `303 See Other` to an address of ours.
pub(crate) fn redirect(url: &str) -> Response {
    let mut response = with_headers(StatusCode::SEE_OTHER, Body::empty());
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(LOCATION, url);
    }
    response
}

/// To the sign-in page, and back to `path` afterwards.
pub(crate) fn to_sign_in(path: &str, clear_cookie: bool) -> Response {
    let query = serde_urlencoded::to_string([("to", path)]).unwrap_or_default();
    let response = redirect(&format!("/sign-in?{query}"));
    if clear_cookie { with_cookie(response, cookies::clear(cookies::SESSION)) } else { response }
}

/// The same answer with another cookie.
pub(crate) fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn with_headers(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
