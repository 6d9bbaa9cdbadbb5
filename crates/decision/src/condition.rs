//! The conditions of the language: what may be asked of the user, the request and the time.

use std::fmt;

use evergate_model::Name;
use ipnet::IpNet;

/// One condition, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `group("staff")`: the user is in that group, named exactly so.
    Group(String),
    /// `user("alice")`: it is the user who signs in by that name, in any spelling of case.
    User(String),
    /// `client in 10.0.0.0/8, 2001:db8::/32`: the client's address lies in one of these.
    Client(Vec<IpNet>),
    /// `access-point(edge1)`: the request came in there.
    AccessPoint(Name),
    /// `path under "/admin"`: the path is that or lies below it, by whole segments.
    PathUnder(String),
    /// `request-method in (GET, HEAD)`.
    RequestMethod(Vec<String>),
    /// `header(User-Agent) matches "Firefox"`: the header is there and the pattern is found in it.
    Header {
        /// The header's name, lower case.
        name: String,
        /// A regular expression over bytes, without look-around; anchor it with `^` and `$`.
        pattern: String,
    },
    /// `time in "Mon-Fri 08:00-18:00 Europe/Stockholm"`.
    Time(String),
}

/// Which sort of condition it is: all that a denied user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Who the user is.
    User,
    /// Where the client is.
    Client,
    /// Where the request came in.
    AccessPoint,
    /// Which page is asked for.
    Path,
    /// The request method.
    RequestMethod,
    /// A header.
    Header,
    /// The time.
    Time,
    /// Nobody may.
    Nobody,
}

impl Sort {
    /// What a denied user may read: the sort of condition, never its value.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::User => "this account is not among those that may use this application",
            Self::Client => "this application is not open to the network you come from",
            Self::AccessPoint => "this application is not open at this entrance",
            Self::Path => "this part of the application is not open",
            Self::RequestMethod => "this kind of request is not allowed here",
            Self::Header => "the request lacks something that this application requires",
            Self::Time => "this application is not open at this time",
            Self::Nobody => "this application is closed",
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn listed<T: fmt::Display>(f: &mut fmt::Formatter<'_>, values: &[T]) -> fmt::Result {
    for (index, value) in values.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{value}")?;
    }
    Ok(())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = |f: &mut fmt::Formatter<'_>, word: &str, text: &str| {
            write!(f, "{word}(")?;
            quoted(f, text)?;
            f.write_str(")")
        };
        match self {
            Self::Group(name) => call(f, "group", name),
            Self::User(name) => call(f, "user", name),
            Self::Client(networks) => {
                f.write_str("client in ")?;
                listed(f, networks)
            }
            Self::AccessPoint(name) => write!(f, "access-point({name})"),
            Self::PathUnder(prefix) => {
                f.write_str("path under ")?;
                quoted(f, prefix)
            }
            Self::RequestMethod(methods) => {
                f.write_str("request-method in (")?;
                listed(f, methods)?;
                f.write_str(")")
            }
            Self::Header { name, pattern } => {
                write!(f, "header({name}) matches ")?;
                quoted(f, pattern)
            }
            Self::Time(window) => {
                f.write_str("time in ")?;
                quoted(f, window)
            }
        }
    }
}
