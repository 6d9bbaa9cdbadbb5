//! Phase 1: takes a request in. Afterwards there is one host and one path, and nothing that two
//! servers could read in two ways.

pub mod framing;
pub(crate) mod guard;
pub(crate) mod opening;
pub(crate) mod plain;
pub mod proxy_protocol;

use evergate_model::path::PathError;
use evergate_model::{Host, NormalPath};
use http::header::{CONNECTION, HOST, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The host, in lower case, without port.
    pub(crate) host: Host,
    /// Host and port as the client wrote them.
    pub(crate) authority: HeaderValue,
    /// The one path that is decided on and forwarded.
    pub(crate) path: NormalPath,
    /// Whether the connection is to become a WebSocket.
    pub(crate) is_websocket: bool,
}

/// Why a request is not taken in. The connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No host, several, or one that is no host name.
    #[error("the request does not name exactly one host")]
    Host,
    /// The target names another host than the `Host` header.
    #[error("the request names two hosts")]
    TwoHosts,
    /// The path cannot be read in one way only.
    #[error("{0}")]
    Path(#[from] PathError),
    /// `CONNECT`, `TRACE` and the like.
    #[error("the method is not allowed")]
    Method,
    /// The method has small letters: rules compare it exactly (RFC 9110 section 9.1), and some
    /// applications do not.
    #[error("the method is not written in capitals")]
    SmallMethod,
    /// An upgrade to something else than WebSocket, or with a body.
    #[error("only an upgrade to WebSocket is possible, by GET without a body")]
    Upgrade,
}

impl Refusal {
    /// The status that says so.
    #[must_use]
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Path(PathError::TooLong) => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads what the head asks for.
///
/// # Errors
/// When it is not clear, or not allowed.
pub(crate) fn read(head: &Parts) -> Result<Asked, Refusal> {
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(Refusal::Method);
    }
    if head.method.as_str().bytes().any(|letter| letter.is_ascii_lowercase()) {
        return Err(Refusal::SmallMethod);
    }
    let (host, authority) = host(head)?;
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    Ok(Asked { host, authority, path: NormalPath::new(target)?, is_websocket: is_websocket(head)? })
}

/// The host: of the `Host` header, of the target (HTTP/2, absolute form), or of both if they agree.
fn host(head: &Parts) -> Result<(Host, HeaderValue), Refusal> {
    let mut headers = head.headers.get_all(HOST).iter();
    let (first, second) = (headers.next(), headers.next());
    if second.is_some() {
        return Err(Refusal::Host);
    }
    let in_target = head.uri.authority().map(http::uri::Authority::as_str);
    let in_header = first.map(HeaderValue::to_str).transpose().map_err(|_| Refusal::Host)?;
    // HTTP/1.1 demands the header, whatever the target says (RFC 9112 section 3.2).
    if in_header.is_none() && head.version < Version::HTTP_2 {
        return Err(Refusal::Host);
    }
    if let (Some(target), Some(header)) = (in_target, in_header)
        && !target.eq_ignore_ascii_case(header)
    {
        return Err(Refusal::TwoHosts);
    }
    let authority = in_header.or(in_target).ok_or(Refusal::Host)?;
    let host = Host::from_authority(authority).map_err(|_| Refusal::Host)?;
    let authority = match first {
        Some(value) => value.clone(),
        None => HeaderValue::from_str(authority).map_err(|_| Refusal::Host)?,
    };
    Ok((host, authority))
}

/// Whether the client asks for a WebSocket (RFC 6455 section 4.1). Other upgrades are ignored, as
/// RFC 9110 section 7.8 allows; `Upgrade` never travels further.
fn is_websocket(head: &Parts) -> Result<bool, Refusal> {
    if head.version != Version::HTTP_11 || !names_upgrade(&head.headers) {
        return Ok(false);
    }
    let is_websocket =
        head.headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let has_body = head.headers.contains_key(http::header::CONTENT_LENGTH)
        || head.headers.contains_key(http::header::TRANSFER_ENCODING);
    if is_websocket && (head.method != Method::GET || has_body) {
        return Err(Refusal::Upgrade);
    }
    Ok(is_websocket)
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
        && connection_tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

/// The tokens of all `Connection` headers.
pub(crate) fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, target: &str, hosts: &[&str]) -> Parts {
        let mut request = http::Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn exactly_one_host_is_taken() {
        for (version, target, hosts) in [
            (Version::HTTP_11, "/", &["Wiki.Example.com:8443"][..]),
            (Version::HTTP_11, "https://wiki.example.com/", &["wiki.example.com"]),
            (Version::HTTP_2, "https://wiki.example.com/", &[]),
            (Version::HTTP_2, "https://wiki.example.com/", &["wiki.example.com"]),
        ] {
            let asked = read(&head(version, target, hosts)).unwrap();
            assert_eq!(asked.host.as_str(), "wiki.example.com", "{target}");
        }
        for (version, target, hosts, refusal) in [
            (Version::HTTP_11, "/", &[][..], Refusal::Host),
            (Version::HTTP_11, "https://a.b/", &[], Refusal::Host),
            (Version::HTTP_11, "/", &["a", "a"], Refusal::Host),
            (Version::HTTP_11, "/", &["a b"], Refusal::Host),
            (Version::HTTP_11, "/", &["u@a"], Refusal::Host),
            (Version::HTTP_11, "/", &["a:x"], Refusal::Host),
            (Version::HTTP_11, "/", &[""], Refusal::Host),
            (Version::HTTP_11, "https://a/", &["b"], Refusal::TwoHosts),
            (Version::HTTP_2, "https://a/", &["b"], Refusal::TwoHosts),
            (Version::HTTP_11, "/%2f", &["a"], Refusal::Path(PathError::Ambiguous)),
        ] {
            assert_eq!(read(&head(version, target, hosts)).unwrap_err(), refusal, "{target} {hosts:?}");
        }
    }
}
