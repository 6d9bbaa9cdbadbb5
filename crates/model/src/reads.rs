//! What an evaluation looked at: the key of the permit cache.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::path::is_under;
use crate::{Name, RequestFacts};

/// Every input of the *request* that an evaluation read, with the value it saw. A permit may be
/// used for another request exactly when that request would have shown the evaluator the same
/// values ([`Reads::hold_for`]). What depends on time is in the permit's lifetime instead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    /// The method, if it was read.
    pub method: Option<String>,
    /// Which prefixes the path was tried against, and whether it lay under them.
    pub paths: Vec<PathRead>,
    /// The client's address, if it was read.
    pub client: Option<IpAddr>,
    /// The access point, if it was read.
    pub access_point: Option<Name>,
    /// The headers that were read; `None` where the header was absent.
    pub headers: Vec<HeaderRead>,
}

/// One question about the path, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRead {
    /// The prefix asked about.
    pub prefix: String,
    /// Whether the path lay under it.
    pub is_under: bool,
}

/// One header that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRead {
    /// Its name, lower case.
    pub name: String,
    /// Its value; `None` where it was absent.
    pub value: Option<String>,
}

impl Reads {
    /// Whether the evaluator would have read the same values from `facts`.
    #[must_use]
    pub fn hold_for(&self, facts: &RequestFacts) -> bool {
        self.method.as_ref().is_none_or(|method| *method == facts.method)
            && self.client.is_none_or(|client| client == facts.client)
            && self.access_point.as_ref().is_none_or(|name| *name == facts.access_point)
            && self.paths.iter().all(|read| is_under(facts.path.path(), &read.prefix) == read.is_under)
            && self.headers.iter().all(|read| facts.headers.get(&read.name) == read.value.as_ref())
    }
}
