//! Host names as browsers send them, brought to one form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A DNS host name, lower case, without port or final dot (RFC 1123); at most 253 bytes. An IPv4
/// address in dotted form passes as a host name too; IPv6 literals do not. A name in other letters is written as
/// browsers send it (RFC 5891): `xn--...`; so no two hosts look alike here that are not the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Host(String);

/// Why a text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host name")]
pub struct HostError(String);

impl Host {
    /// The host as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host of an authority such as `Wiki.example.com:443`; the port, if any, must be a number.
    ///
    /// # Errors
    /// When the part before the port is not a host name, or the port is not a number.
    pub fn from_authority(authority: &str) -> Result<Self, HostError> {
        let wrong = || HostError(authority.chars().take(80).collect());
        match authority.split_once(':') {
            None => authority.parse(),
            Some((host, port)) => {
                let is_port = port.len() <= 5
                    && port.bytes().all(|c| c.is_ascii_digit())
                    && (port.is_empty() || port.parse::<u16>().is_ok());
                if is_port { host.parse().map_err(|_| wrong()) } else { Err(wrong()) }
            }
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        };
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(HostError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Host {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_gives_its_host_in_lower_case() {
        assert_eq!(Host::from_authority("Wiki.Example.com:8443").unwrap().as_str(), "wiki.example.com");
        assert_eq!(Host::from_authority("localhost").unwrap().as_str(), "localhost");
        for bad in [
            "",
            ":443",
            "a:b",
            "a:99999",
            "a:+80",
            "a..b",
            "a b",
            "a/b",
            "a@b",
            "[::1]",
            "a:1:2",
            "a.",
            ".a",
            "-a",
            "a-",
            "bücher.example",
            "аpple.example",
            "a。b",
            "a\u{200b}b",
            "a\0b",
            "a%2eb",
        ] {
            assert!(Host::from_authority(bad).is_err(), "{bad}");
        }
        let longest = ["a".repeat(63).as_str(); 4].join(".");
        assert!(
            Host::from_authority(&longest[..253]).is_ok() && Host::from_authority(&longest[..254]).is_err()
        );
        assert!(Host::from_authority(&"a".repeat(64)).is_err());
    }
}
