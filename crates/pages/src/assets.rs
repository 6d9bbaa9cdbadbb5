//! Style sheets, scripts and pictures, embedded. A hash of the content stands in the path, so that
//! browsers may keep them for good and a new version is a new path.

use std::sync::LazyLock;

/// A file that pages refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asset {
    /// The style sheet of all pages.
    Style,
    /// What the console needs beyond it.
    ConsoleStyle,
    /// Keeps live tables up to date.
    LiveScript,
    /// The icon of the tab.
    Icon,
}

/// What is served for an asset's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The content.
    pub bytes: &'static [u8],
    /// Its media type.
    pub content_type: &'static str,
    /// Its entity tag (RFC 9110 section 8.8.3), with quotes.
    pub etag: &'static str,
}

/// Below this path of a host are assets and nothing else.
pub const PREFIX: &str = "/.evergate/assets/";

/// The `Cache-Control` of assets: their path changes with their content.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

struct Embedded {
    asset: Asset,
    served: Served,
    path: String,
}

static EMBEDDED: LazyLock<Vec<Embedded>> = LazyLock::new(|| {
    let embed = |asset, file: &str, content_type, bytes: &'static [u8]| {
        let hash = format!("{:016x}", fnv1a(bytes));
        let path = format!("{PREFIX}{hash}/{file}");
        let etag: &'static str = Box::leak(format!("\"{hash}\"").into_boxed_str());
        Embedded { asset, served: Served { bytes, content_type, etag }, path }
    };
    let (css, script) = ("text/css; charset=utf-8", "text/javascript; charset=utf-8");
    vec![
        embed(Asset::Style, "evergate.css", css, include_bytes!("../assets/evergate.css")),
        embed(Asset::ConsoleStyle, "console.css", css, include_bytes!("../assets/console.css")),
        embed(Asset::LiveScript, "live.js", script, include_bytes!("../assets/live.js")),
        embed(Asset::Icon, "icon.svg", "image/svg+xml", include_bytes!("../assets/icon.svg")),
    ]
});

impl Asset {
    /// Where pages find it.
    #[must_use]
    pub fn path(self) -> &'static str {
        EMBEDDED.iter().find(|embedded| embedded.asset == self).map_or("", |embedded| &embedded.path)
    }
}

/// What is at this path; `None`: nothing. Any other hash than the content's is nothing too.
#[must_use]
pub fn lookup(path: &str) -> Option<Served> {
    EMBEDDED.iter().find(|embedded| embedded.path == path).map(|embedded| embedded.served)
}

/// All paths that [`lookup`] knows.
pub fn paths() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|embedded| embedded.path.as_str())
}

/// FNV-1a, 64 bits: tells versions of our own files apart; nobody could gain by a collision.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_under_its_own_hash_only() {
        let path = Asset::Style.path();
        assert!(path.starts_with(PREFIX) && path.ends_with("/evergate.css"), "{path}");
        assert_eq!(lookup(path).unwrap().content_type, "text/css; charset=utf-8");
        assert_eq!(lookup("/.evergate/assets/0000000000000000/evergate.css"), None);
        assert_eq!(lookup("/.evergate/assets/../evergate.css"), None);
    }
}
