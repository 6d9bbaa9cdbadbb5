//! Whether a text is the address of an application's server.

use axum::http::Uri;

/// What is wrong with an upstream address; `http://host:port` is what it should look like.
pub(super) fn problem(text: &str) -> Option<String> {
    let Ok(uri) = text.parse::<Uri>() else { return Some(format!("`{text}` is not a URL")) };
    let Some(authority) = uri.authority() else { return Some(format!("`{text}` names no host")) };
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Some(format!("`{text}` must begin with `http://` or `https://`")),
    }
    if authority.as_str().contains('@') {
        return Some(format!("`{text}` must not carry a user name"));
    }
    let rest = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    if authority.host().is_empty() || !(rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)) {
        return Some(format!("`{text}` has no host, or a port that is none"));
    }
    let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some();
    has_path.then(|| format!("`{text}` must be a server's address alone, without path or query"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_scheme_host_and_port() {
        for good in ["http://127.0.0.1:3000", "https://app.internal", "http://[::1]:80/"] {
            assert_eq!(problem(good), None, "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:3000",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://a?x",
            "http://u@a",
            "http://a:0",
            "http://a:99999",
            "http://a:",
            "http://a b",
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }
}
