//! Our cookies among those that a browser sends (RFC 6265 section 5.4). Others are passed on as
//! they are; ours never leave for a server.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// The cookie that holds the session token.
pub const SESSION: &str = "__Host-evergate";
/// The cookie that binds the way back from signing in to this browser.
pub const RETURN: &str = "__Host-evergate-return";
/// What all our cookies' names begin with.
const PREFIX: &[u8] = b"__Host-evergate";

/// A cookie is there twice: which of them is meant cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cookie of ours was sent twice")]
pub struct Twice;

/// The value of the cookie `name`, if it was sent. HTTP/2 may spread cookies over several headers.
///
/// # Errors
/// When it was sent more than once.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Twice> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| pairs(value.as_bytes()))
        .filter_map(|pair| value_of(pair, name.as_bytes()));
    let first = found.next();
    if found.next().is_some() {
        Err(Twice)
    } else {
        Ok(first.and_then(|value| std::str::from_utf8(value).ok()))
    }
}

/// Removes our cookies from a request, and puts what is left into one header.
pub fn remove_own(headers: &mut HeaderMap) {
    let all = headers.get_all(COOKIE);
    let has_own = all.iter().any(|value| memchr::memmem::find(value.as_bytes(), PREFIX).is_some());
    let is_spread = all.iter().nth(1).is_some();
    if !has_own && !is_spread {
        return;
    }
    let kept: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| pairs(value.as_bytes()))
        .filter(|pair| !pair.is_empty() && !pair.starts_with(PREFIX))
        .collect();
    let kept = kept.join(&b"; "[..]);
    headers.remove(COOKIE);
    if let Ok(kept) = HeaderValue::from_maybe_shared(bytes::Bytes::from(kept))
        && !kept.is_empty()
    {
        headers.insert(COOKIE, kept);
    }
}

/// Whether a server's `Set-Cookie` would set one of our cookies; a browser may also read a value
/// without a name (`=__Host-evergate=x`) as one.
#[must_use]
pub fn sets_own(set_cookie: &[u8]) -> bool {
    let start = set_cookie.iter().position(|c| !matches!(c, b' ' | b'\t' | b'=')).unwrap_or(0);
    set_cookie
        .get(start..)
        .and_then(|rest| rest.get(..PREFIX.len()))
        .is_some_and(|name| name.eq_ignore_ascii_case(PREFIX))
}

fn pairs(cookies: &[u8]) -> impl Iterator<Item = &[u8]> {
    cookies.split(|c| *c == b';').map(<[u8]>::trim_ascii)
}

fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    pair.strip_prefix(name)?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        headers
    }

    #[test]
    fn our_cookie_is_found_once_or_refused() {
        assert_eq!(find(&headers(&["a=1; __Host-evergate=v1.x; b=2"]), SESSION), Ok(Some("v1.x")));
        assert_eq!(find(&headers(&["a=1", "__Host-evergate=v1.x"]), SESSION), Ok(Some("v1.x")));
        assert_eq!(find(&headers(&["a=__Host-evergate=x"]), SESSION), Ok(None));
        assert_eq!(find(&headers(&["__Host-evergate-return=x"]), SESSION), Ok(None));
        assert_eq!(find(&headers(&["__Host-evergate=a; __Host-evergate=a"]), SESSION), Err(Twice));
        assert_eq!(find(&headers(&["__Host-evergate=a", "__Host-evergate=b"]), SESSION), Err(Twice));
    }

    #[test]
    fn our_cookies_do_not_leave() {
        for (given, kept) in [
            (&["a=1; __Host-evergate=x; b=2"][..], Some("a=1; b=2")),
            (&["__Host-evergate=x"], None),
            (&["__Host-evergate-return=x;a=1"], Some("a=1")),
            (&["a=1", "b=2"], Some("a=1; b=2")),
            (&["a=1"], Some("a=1")),
        ] {
            let mut headers = headers(given);
            remove_own(&mut headers);
            assert_eq!(headers.get(COOKIE).map(|value| value.to_str().unwrap()), kept, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_none_of_ours_leaves(cookies in "(__Host-evergate|=|;| |a|-return){0,12}") {
            let mut headers = headers(&[&cookies]);
            remove_own(&mut headers);
            prop_assert_eq!(find(&headers, SESSION), Ok(None));
            prop_assert_eq!(find(&headers, RETURN), Ok(None));
        }
    }
}
