//! The way to the sign-in page and back: a request without a session is sent to the portal, with a
//! nonce that binds the way back to this browser.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use http::header::{SET_COOKIE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::accept::Asked;
use crate::answers::{self, Reader};
use crate::body::Body;
use crate::identify::cookies;
use crate::site::Site;

/// A path longer than this is not returned to.
const LONGEST_PATH: usize = 2048;
/// How long a person may take to sign in, in seconds.
const RETURN_SECONDS: u32 = 600;

/// Says that signing in is needed: sends a person there, tells a program where.
#[must_use]
pub(crate) fn ask(site: &Site, head: &Parts, asked: &Asked, reader: Reader) -> Response<Body> {
    let nonce = known_nonce(head).unwrap_or_else(|| HEXLOWER.encode(&rand::random::<[u8; 32]>()));
    let path = match reader {
        // What a program asks for is no page to return to.
        Reader::Person if asked.path.path_and_query().len() <= LONGEST_PATH => asked.path.path_and_query(),
        _ => "/",
    };
    let url = url(site, asked, path, &nonce);
    let mut answer = match reader {
        Reader::Person => answers::redirect(&head.method, &url),
        Reader::Program => unauthorized(asked, &url),
    };
    let cookie = format!(
        "{}={nonce}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={RETURN_SECONDS}",
        cookies::RETURN
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

/// The nonce of another page of this browser that is being signed in for at the same time.
fn known_nonce(head: &Parts) -> Option<String> {
    let nonce = cookies::find(&head.headers, cookies::RETURN).ok().flatten()?;
    let is_nonce = nonce.len() == 64 && HEXLOWER.decode(nonce.as_bytes()).is_ok();
    is_nonce.then(|| nonce.to_owned())
}

fn url(site: &Site, asked: &Asked, path: &str, nonce: &str) -> String {
    let hash = HEXLOWER.encode(digest(&SHA256, nonce.as_bytes()).as_ref());
    let query = [("host", asked.host.as_str()), ("path", path), ("nonce", &hash)];
    // Pairs of texts always have a form.
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    site.portal_url(&format!("/sign-in?{query}"))
}

fn unauthorized(asked: &Asked, url: &str) -> Response<Body> {
    let mut answer = answers::json(&serde_json::json!({ "error": "sign-in required", "sign_in": url }));
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    let challenge = format!("Evergate realm=\"{}\", sign_in=\"{url}\"", asked.host);
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// Sets the session cookie and returns to `path`; the nonce has done its work.
#[must_use]
pub(crate) fn come_back(token: &str, path: &str) -> Response<Body> {
    let mut answer = answers::redirect(&Method::POST, path);
    let session = format!("{}={token}; Path=/; Secure; HttpOnly; SameSite=Lax", cookies::SESSION);
    if let Ok(session) = HeaderValue::from_str(&session) {
        answer.headers_mut().append(SET_COOKIE, session);
    }
    answer.headers_mut().append(SET_COOKIE, expired(cookies::RETURN));
    answer
}

/// Makes the browser forget one of our cookies.
#[must_use]
pub(crate) fn expired(name: &'static str) -> HeaderValue {
    let text = format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    // The names are ours, and ASCII.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
