//! The one normalised path: what is decided on is, byte for byte, what is forwarded.

use std::fmt;

/// A request's path and query, normalised once. Its bytes are used for the decision and, the very
/// same, for the forwarded request, so that the application cannot see another path than the
/// rule did.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NormalPath {
    text: String,
    path_length: usize,
}

/// Why a path is refused. All of these are attempts, or bugs, that would let the application and
/// the rule disagree about which page is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// An encoded slash, backslash, dot or NUL, or a bare backslash.
    #[error("the path holds an encoded or literal character that could be read in two ways")]
    Ambiguous,
    /// A `%` without two hexadecimal digits.
    #[error("the path holds a `%` that is not followed by two hexadecimal digits")]
    BadEscape,
    /// A control character, a space or a byte that is not ASCII.
    #[error("the path holds a control character or a byte that is not ASCII")]
    BadByte,
    /// `..` leads above the root.
    #[error("the path leads above the root")]
    AboveRoot,
    /// Longer than [`NormalPath::MAX`].
    #[error("the path is longer than 8192 bytes")]
    TooLong,
}

impl NormalPath {
    /// The longest path with query, in bytes.
    pub const MAX: usize = 8192;

    /// Normalises `target`, the origin form of RFC 9112 section 3.2.1: dot segments resolved
    /// (RFC 3986 section 5.2.4), runs of slashes made one, escapes in upper case, unreserved
    /// characters unescaped; the query is kept as it is.
    ///
    /// # Errors
    /// When the path could be read in two ways: see [`PathError`].
    pub fn new(target: &str) -> Result<Self, PathError> {
        if target.len() > Self::MAX {
            return Err(PathError::TooLong);
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        if !path.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        if query.is_some_and(|query| query.bytes().any(|c| !c.is_ascii_graphic() || c == b'#')) {
            return Err(PathError::BadByte);
        }
        let plain = unescape_unreserved(path)?;
        let mut text = resolve_dots(&plain)?;
        let path_length = text.len();
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Ok(Self { text, path_length })
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(..self.path_length).unwrap_or("/")
    }

    /// Path and query, to be forwarded.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.text
    }

    /// Whether the path is `prefix` or lies below it, by whole segments: see [`is_under`].
    #[must_use]
    pub fn is_under(&self, prefix: &str) -> bool {
        is_under(self.path(), prefix)
    }
}

/// Whether `path` is `prefix` or lies below it, by whole segments: `/admin` covers `/admin` and
/// `/admin/x`, not `/administrator`. Many servers take what follows a semicolon for parameters of
/// the segment (RFC 3986 section 3.3) and read `/admin;x` as `/admin`; so that nobody walks round a
/// rule that way, parameters of `path` are passed over here, too. A `prefix` must have none.
#[must_use]
pub fn is_under(path: &str, prefix: &str) -> bool {
    let mut segments = path.split('/').map(without_parameters);
    prefix.trim_end_matches('/').split('/').all(|wanted| segments.next() == Some(wanted))
}

/// Where the parameters of a segment begin. Escaped they are none, until a server in between
/// unescapes them.
const PARAMETERS: [&str; 2] = [";", "%3B"];

/// A segment without its parameters.
#[must_use]
pub fn without_parameters(segment: &str) -> &str {
    let end = PARAMETERS.iter().filter_map(|mark| segment.find(mark)).min();
    end.and_then(|end| segment.get(..end)).unwrap_or(segment)
}

fn unescape_unreserved(path: &str) -> Result<String, PathError> {
    let mut plain = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit =
                    || bytes.next().and_then(|c| char::from(c).to_digit(16)).ok_or(PathError::BadEscape);
                let value = digit()? * 16 + digit()?;
                let value = u8::try_from(value).map_err(|_| PathError::BadEscape)?;
                match value {
                    b'/' | b'\\' | b'.' | 0..=0x1f | 0x7f => return Err(PathError::Ambiguous),
                    c if c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'~') => {
                        plain.push(char::from(c));
                    }
                    c => plain.push_str(&format!("%{c:02X}")),
                }
            }
            b'\\' => return Err(PathError::Ambiguous),
            c if !c.is_ascii_graphic() || c == b'#' => return Err(PathError::BadByte),
            c => plain.push(char::from(c)),
        }
    }
    Ok(plain)
}

fn resolve_dots(path: &str) -> Result<String, PathError> {
    let mut segments: Vec<&str> = Vec::new();
    let mut is_directory = false;
    for segment in path.split('/').skip(1) {
        is_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or(PathError::AboveRoot)?;
            }
            segment if matches!(without_parameters(segment), "" | "." | "..") => {
                return Err(PathError::Ambiguous);
            }
            segment => segments.push(segment),
        }
    }
    let mut text = String::with_capacity(path.len());
    for segment in &segments {
        text.push('/');
        text.push_str(segment);
    }
    if is_directory || segments.is_empty() {
        text.push('/');
    }
    Ok(text)
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_come_to_one_form() {
        for (given, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("//a///b/", "/a/b/"),
            ("/a/..", "/"),
            ("/%61%2d%7e", "/a-~"),
            ("/%c3%a5", "/%C3%A5"),
            ("/a?b=/../%2f", "/a?b=/../%2f"),
            ("/a;v=1/b", "/a;v=1/b"),
        ] {
            assert_eq!(NormalPath::new(given).unwrap().path_and_query(), normal, "{given}");
        }
    }

    #[test]
    fn paths_that_can_be_read_in_two_ways_are_refused() {
        for bad in [
            "", "a", "/%2f", "/%2F", "/%5c", "/a\\b", "/%2e%2e/", "/%00", "/a%", "/a%zz", "/..", "/a/../..",
            "/a b", "/å", "/..;/x", "/..%3b/x", "/.;/x", "/;/x", "/a#b", "/%0a", "*",
        ] {
            assert!(NormalPath::new(bad).is_err(), "{bad}");
        }
        assert_eq!(NormalPath::new(&format!("/{}", "a".repeat(8192))), Err(PathError::TooLong));
    }

    #[test]
    fn a_prefix_covers_whole_segments() {
        let under = |path: &str, prefix| NormalPath::new(path).unwrap().is_under(prefix);
        assert!(under("/admin", "/admin") && under("/admin/x?y", "/admin") && under("/x", "/"));
        assert!(!under("/administrator", "/admin") && !under("/", "/admin"));
    }

    #[test]
    fn parameters_of_a_segment_lead_round_no_prefix() {
        let under = |path: &str, prefix| NormalPath::new(path).unwrap().is_under(prefix);
        for path in
            ["/a/admin;x=1", "/a/admin;/users", "/a;b/admin", "/a/admin%3bx", "/a/admin;x%3By;z/users"]
        {
            assert!(under(path, "/a/admin"), "{path}");
        }
        assert!(!under("/a/administrator;admin", "/a/admin") && !under("/a;/b/admin", "/a/admin"));
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(path in "/[ -~]{0,60}") {
            if let Ok(once) = NormalPath::new(&path) {
                let twice = NormalPath::new(once.path_and_query()).unwrap();
                prop_assert_eq!(once, twice);
            }
        }

        #[test]
        fn a_normal_path_holds_no_dot_segments(path in "(/[a.%2eE;]{0,5}){1,6}") {
            if let Ok(normal) = NormalPath::new(&path) {
                prop_assert!(normal.path().split('/').all(|s| s != "." && s != ".."));
            }
        }
    }
}
