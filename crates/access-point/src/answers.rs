//! The answers that an access point gives by itself: short pages for people, JSON for programs.

use bytes::Bytes;
use evergate_model::id::{Id, Request};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::body::Body;

/// The style of our pages, served as `/.evergate/page.css`.
pub(crate) const STYLE: &str = include_str!("page.css");
/// How long a client should wait before it asks again, in seconds.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// Who reads an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A person, in a browser's window.
    Person,
    /// A program.
    Program,
}

impl Reader {
    /// Who asked (contract.md, "In the browser").
    #[must_use]
    pub(crate) fn of(head: &Parts) -> Self {
        let is_navigation = match head.headers.get("sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => {
                (head.method == Method::GET || head.method == Method::HEAD) && accepts_html(&head.headers)
            }
        };
        if is_navigation { Self::Person } else { Self::Program }
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| memchr::memmem::find(accept.as_bytes(), b"text/html").is_some())
}

/// An answer in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    /// Its status.
    pub(crate) status: StatusCode,
    /// What is the matter.
    pub(crate) title: &'a str,
    /// What it means, or what can be done.
    pub(crate) text: &'a str,
    /// The request, to be told to whoever can help.
    pub(crate) id: Option<Id<Request>>,
}

/// The answer, for this reader.
#[must_use]
pub(crate) fn words(reader: Reader, words: Words<'_>) -> Response<Body> {
    let mut answer = match reader {
        Reader::Person => html(&page(words)),
        Reader::Program => json(&serde_json::json!({
            "error": words.title, "reason": words.text, "request": words.id.map(|id| id.to_string()),
        })),
    };
    *answer.status_mut() = words.status;
    if words.status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
    }
    answer
}

/// A JSON answer.
#[must_use]
pub(crate) fn json(value: &serde_json::Value) -> Response<Body> {
    with_type("application/json", value.to_string())
}

/// A page; it may load nothing but our style and send forms to this host.
#[must_use]
pub(crate) fn html(page: &str) -> Response<Body> {
    let mut answer = with_type("text/html; charset=utf-8", page.to_owned());
    answer.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    answer
}

/// An answer of this content type, not to be kept by anyone.
#[must_use]
pub(crate) fn with_type(content_type: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Body::whole(content));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    answer
}

/// Sends the client elsewhere; after POST it comes by GET.
#[must_use]
pub(crate) fn redirect(method: &Method, location: &str) -> Response<Body> {
    let mut answer = with_type("text/plain; charset=utf-8", "");
    let is_read = method == Method::GET || method == Method::HEAD;
    *answer.status_mut() = if is_read { StatusCode::FOUND } else { StatusCode::SEE_OTHER };
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(http::header::LOCATION, location);
    }
    answer
}

/// The connection ends with this answer.
pub(crate) fn close(answer: &mut Response<Body>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// A whole page of ours around `main`, which is HTML.
#[must_use]
pub(crate) fn frame(title: &str, main: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/.evergate/page.css\"></head>\
         <body><main><h1>{title}</h1>{main}</main></body></html>\n"
    )
}

fn page(words: Words<'_>) -> String {
    let id = words.id.map(|id| format!("<p class=\"id\">{id}</p>")).unwrap_or_default();
    frame(words.title, &format!("<p>{}</p>{id}", escape(words.text)))
}

/// Text, as it stands in HTML.
#[must_use]
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(method: Method, headers: &[(&str, &str)]) -> Reader {
        let mut request = http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reader::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_navigation_is_told_from_a_program() {
        let html = ("accept", "text/html,application/xhtml+xml");
        assert_eq!(reader(Method::GET, &[html]), Reader::Person);
        assert_eq!(reader(Method::POST, &[html]), Reader::Program);
        assert_eq!(reader(Method::POST, &[("sec-fetch-mode", "navigate")]), Reader::Person);
        assert_eq!(reader(Method::GET, &[html, ("sec-fetch-mode", "cors")]), Reader::Program);
        assert_eq!(reader(Method::GET, &[("accept", "*/*")]), Reader::Program);
    }

    #[test]
    fn what_others_wrote_is_escaped() {
        assert!(
            page(Words { status: StatusCode::FORBIDDEN, title: "<b>", text: "a & \"b\"", id: None })
                .contains("<h1>&lt;b&gt;</h1><p>a &amp; &quot;b&quot;</p>")
        );
    }
}
