//! The headers every page is served with: what a browser may do with it.

/// The policy of the portal host's pages (Content Security Policy Level 3): a style sheet and an icon of its own, and
/// no script at all. A `form-action` also blocks redirects that follow a form, which is why the last step of a sign-in
/// answers a page that continues by itself.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The policy of the console, whose live tables also have a script that reads server-sent events from it.
pub const CONSOLE_CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What is sent with every page beside its policy. The referrer stays inside the host (and is not
/// `no-referrer`, with which browsers send `Origin: null` and the origin check could not pass).
pub const HEADERS: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// The content type of every page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";
