//! The assertion: a JWT that tells an application who its caller is, and that it can check itself.

use data_encoding::BASE64URL_NOPAD;
use evergate_model::id::{Key, User};
use evergate_model::{Id, Timestamp};
use serde::Serialize;

/// What an assertion says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// `iss`: the portal's address.
    pub issuer: String,
    /// `aud`: the resource that it is for.
    pub audience: String,
    /// `sub`: the user.
    pub user: Id<User>,
    /// `name`: what the user signs in by.
    pub user_name: String,
    /// `email`, if known.
    pub email: Option<String>,
    /// `groups`: the groups' names.
    pub groups: Vec<String>,
    /// `sid`: the session's pseudonym at this resource.
    pub session: String,
    /// `iat`: when it was made.
    pub issued_at: Timestamp,
    /// `exp`: from when on it is refused.
    pub expires_at: Timestamp,
}

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
    kid: Id<Key>,
}

#[derive(Serialize)]
struct Body<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Id<User>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    groups: &'a [String],
    sid: &'a str,
    iat: i64,
    exp: i64,
}

/// The JWS signing input (RFC 7515, section 5.1).
pub(crate) fn message(assertion: &Assertion, key: Id<Key>) -> String {
    let header = Header { alg: "EdDSA", typ: "JWT", kid: key };
    let body = Body {
        iss: &assertion.issuer,
        aud: &assertion.audience,
        sub: assertion.user,
        name: &assertion.user_name,
        email: assertion.email.as_deref(),
        groups: &assertion.groups,
        sid: &assertion.session,
        iat: assertion.issued_at.as_seconds(),
        exp: assertion.expires_at.as_seconds(),
    };
    format!("{}.{}", encode(&header), encode(&body))
}

pub(crate) fn assemble(message: String, signature: &[u8]) -> String {
    let mut text = message;
    text.push('.');
    BASE64URL_NOPAD.encode_append(signature, &mut text);
    text
}

#[expect(clippy::expect_used, reason = "texts, ids and numbers always have a form in JSON")]
fn encode(part: &impl Serialize) -> String {
    BASE64URL_NOPAD.encode(&serde_json::to_vec(part).expect("no form in JSON"))
}
