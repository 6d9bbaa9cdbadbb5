//! The two cookies of the portal host. `__Host-` makes browsers refuse them from anywhere else
//! (RFC 6265bis section 4.1.3.2).

use http::{HeaderMap, HeaderValue, header};

/// Carries the session token.
pub(crate) const SESSION: &str = "__Host-evergate";
/// Carries the nonce that a sign-in's progress is bound to.
pub(crate) const SIGN_IN: &str = "__Host-evergate-signin";

/// The value of a cookie; of two by that name the first.
#[must_use]
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The header that sets a cookie until the browser is closed. `None` where the value has a
/// character that no cookie may have.
#[must_use]
pub(crate) fn set(name: &str, value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax")).ok()
}

/// The header that removes a cookie.
#[must_use]
pub(crate) fn clear(name: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=1; __Host-evergate-signin=n=="));
        headers.append("cookie", HeaderValue::from_static("__Host-evergate=token; __Host-evergate=other"));
        assert_eq!(find(&headers, SESSION), Some("token"));
        assert_eq!(find(&headers, SIGN_IN), Some("n=="));
        assert_eq!(find(&headers, "__Host"), None);
    }
}
