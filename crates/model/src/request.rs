//! What a decision may know about a request.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{Host, Name, NormalPath};

/// What an access rule may read of one request. An access point fills it in and can lie in it:
/// nothing here proves who the user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The request method as received; `get` is another than `GET` (RFC 9110 section 9.1).
    pub method: String,
    /// The host that was asked.
    pub host: Host,
    /// The normalised path.
    pub path: NormalPath,
    /// The client's address.
    pub client: IpAddr,
    /// The access point it came in by.
    pub access_point: Name,
    /// The headers that rules of this resource read (lower-case names), as received; several
    /// values of one name joined by `, ` (RFC 9110 section 5.3).
    pub headers: BTreeMap<String, String>,
}
