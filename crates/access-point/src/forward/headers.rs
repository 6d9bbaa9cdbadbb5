//! What is taken out of, and put into, the heads that pass through (RFC 9110 section 7.6.1).

use std::net::IpAddr;

use http::header::{CONNECTION, COOKIE, HOST, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::accept::connection_tokens;
use crate::identify::cookies;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Headers that concern one connection only, or that only we may set.
fn is_ours_or_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "expect"
            | "forwarded"
            | "x-real-ip"
    ) || starts_with_as_dashes(name, "x-evergate-")
        || starts_with_as_dashes(name, "x-forwarded-")
}

/// Whether `name` begins with `prefix` when `_` is read as `-`, as CGI and its heirs do.
fn starts_with_as_dashes(name: &str, prefix: &str) -> bool {
    let name = name.as_bytes().get(..prefix.len()).unwrap_or_default();
    name.len() == prefix.len() && is_same_as_dashes(name, prefix.as_bytes())
}

fn is_same_as_dashes(name: &[u8], other: &[u8]) -> bool {
    let dashed = |c: &u8| if *c == b'_' { b'-' } else { c.to_ascii_lowercase() };
    name.len() == other.len() && name.iter().map(dashed).eq(other.iter().map(dashed))
}

/// Who asks, as the server is to be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// The client's address.
    pub(crate) client: IpAddr,
    /// Host and port as the client wrote them.
    pub(crate) authority: &'a HeaderValue,
    /// The headers that say who the user is.
    pub(crate) identity: &'a [(HeaderName, HeaderValue)],
    /// The names of extra headers that only we may set.
    pub(crate) reserved: &'a [HeaderName],
}

/// Makes the head of a client's request that of the request to a server: whatever concerns this
/// connection, claims an identity or is our own cookie goes; what we know is put in its place.
pub(crate) fn prepare_request(headers: &mut HeaderMap, told: Told<'_>) {
    cookies::remove_own(headers);
    prepare_page_request(headers, told);
}

/// The same for our own pages, which see our cookies.
pub(crate) fn prepare_page_request(headers: &mut HeaderMap, told: Told<'_>) {
    remove_named_in_connection(headers);
    remove_if(headers, |name| {
        is_ours_or_hop_by_hop(name)
            || told
                .reserved
                .iter()
                .any(|reserved| is_same_as_dashes(name.as_bytes(), reserved.as_str().as_bytes()))
    });
    let client = HeaderValue::from_maybe_shared(bytes::Bytes::from(told.client.to_string()));
    if let Ok(client) = client {
        headers.insert(HeaderName::from_static("x-forwarded-for"), client);
    }
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"));
    headers.insert(HeaderName::from_static("x-forwarded-host"), told.authority.clone());
    headers.insert(HOST, told.authority.clone());
    for (name, value) in told.identity {
        headers.insert(name.clone(), value.clone());
    }
}

/// Makes the head of a server's answer that of the answer to the client; a server can neither set
/// nor clear our cookies.
pub(crate) fn prepare_answer(headers: &mut HeaderMap) {
    remove_named_in_connection(headers);
    remove_if(headers, |name| {
        matches!(
            name,
            "connection"
                | "keep-alive"
                | "proxy-connection"
                | "proxy-authenticate"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
    });
    let is_own = |value: &HeaderValue| cookies::sets_own(value.as_bytes());
    if headers.get_all(SET_COOKIE).iter().any(is_own)
        && let http::header::Entry::Occupied(entry) = headers.entry(SET_COOKIE)
    {
        let (name, values) = entry.remove_entry_mult();
        let kept: Vec<_> = values.filter(|value| !is_own(value)).collect();
        for value in kept {
            headers.append(name.clone(), value);
        }
    }
    keep_cookies(headers);
}

/// Takes out of `Clear-Site-Data` what would end our session in the browser, on all hosts of the
/// domain (W3C Clear Site Data, section 3.1): `"cookies"`, and `"*"`, which means everything.
fn keep_cookies(headers: &mut HeaderMap) {
    if !headers.contains_key(CLEAR_SITE_DATA) {
        return;
    }
    let http::header::Entry::Occupied(entry) = headers.entry(CLEAR_SITE_DATA) else { return };
    let (name, values) = entry.remove_entry_mult();
    let kept: Vec<String> = values
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .flat_map(|value| value.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>())
        .filter(|part| !part.contains('*') && !part.to_ascii_lowercase().contains("cookies"))
        .filter(|part| !part.is_empty())
        .collect();
    if let Some(value) = HeaderValue::try_from(kept.join(", ")).ok().filter(|value| !value.is_empty()) {
        headers.insert(name, value);
    }
}

/// Says to a server, or to a client, that the connection becomes a WebSocket.
pub(crate) fn set_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Removed before ours are set, so that a client cannot name ours.
fn remove_named_in_connection(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = connection_tokens(headers).filter_map(|token| token.parse().ok()).collect();
    for name in named {
        // The length of a body is not for a client to hide.
        if name != HOST && name != http::header::CONTENT_LENGTH && name != COOKIE {
            headers.remove(name);
        }
    }
}

fn remove_if(headers: &mut HeaderMap, is_unwanted: impl Fn(&str) -> bool) {
    let unwanted: Vec<HeaderName> =
        headers.keys().filter(|name| is_unwanted(name.as_str())).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn prepared(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = headers(pairs);
        prepare_request(
            &mut headers,
            Told {
                client: "192.0.2.7".parse().unwrap(),
                authority: &HeaderValue::from_static("wiki.example.com:8443"),
                identity: &[(HeaderName::from_static("x-evergate-user"), HeaderValue::from_static("alice"))],
                reserved: &[HeaderName::from_static("x-webauth-user")],
            },
        );
        headers
    }

    #[test]
    fn identity_comes_from_us_alone() {
        let headers = prepared(&[
            ("x-evergate-user", "root"),
            ("x_evergate_user", "root"),
            ("x-evergate_groups", "admins"),
            ("x-webauth-user", "root"),
            ("x_webauth_user", "root"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("accept", "text/html"),
        ]);
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        all.sort();
        assert_eq!(
            all,
            [
                "accept: text/html",
                "host: wiki.example.com:8443",
                "x-evergate-user: alice",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-host: wiki.example.com:8443",
                "x-forwarded-proto: https",
            ]
        );
    }

    #[test]
    fn a_client_cannot_have_our_headers_removed() {
        let headers = prepared(&[("connection", "close, X-Evergate-User, x-custom"), ("x-custom", "1")]);
        assert_eq!(headers.get("x-evergate-user").unwrap(), "alice");
        assert!(!headers.contains_key("x-custom") && !headers.contains_key("connection"));
    }

    #[test]
    fn hop_by_hop_headers_stay_on_their_hop() {
        let headers = prepared(&[
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("keep-alive", "5"),
            ("expect", "100-continue"),
        ]);
        assert!(["te", "upgrade", "keep-alive", "expect"].iter().all(|name| !headers.contains_key(*name)));
    }

    #[test]
    fn a_server_cannot_set_our_cookies() {
        let mut headers = headers(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "__Host-evergate=stolen; Path=/"),
            ("set-cookie", " __host-Evergate-console=x"),
            ("set-cookie", "=__Host-evergate=x"),
            ("set-cookie", "b=2"),
            ("connection", "close"),
        ]);
        prepare_answer(&mut headers);
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert!(!headers.contains_key("connection"));
    }

    #[test]
    fn a_server_cannot_clear_our_cookies() {
        for (sent, kept) in [
            (&["\"cache\", \"cookies\", \"storage\""][..], Some("\"cache\", \"storage\"")),
            (&["\"cookies\"", "\"*\""], None),
            (&["\"Cookies\"", "\"cache\""], Some("\"cache\"")),
            (&["\"storage\""], Some("\"storage\"")),
        ] {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(CLEAR_SITE_DATA, HeaderValue::from_static(value));
            }
            prepare_answer(&mut headers);
            let left: Vec<_> = headers.get_all(CLEAR_SITE_DATA).iter().collect();
            assert_eq!(left, kept.into_iter().collect::<Vec<_>>(), "{sent:?}");
        }
    }
}
