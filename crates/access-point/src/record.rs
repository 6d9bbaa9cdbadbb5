//! Phase 5: what is remembered of a request: the access log, counts, and denials for the audit log.

pub(crate) mod activity;
pub(crate) mod counts;
pub(crate) mod spool;

use std::net::IpAddr;

use http::{Method, StatusCode};

/// A request that has been answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done<'a> {
    /// Its method.
    pub(crate) method: &'a Method,
    /// The host it was for.
    pub(crate) host: &'a str,
    /// Its path, without the query.
    pub(crate) path: &'a str,
    /// Who sent it.
    pub(crate) client: IpAddr,
    /// The user's name; empty without a session.
    pub(crate) user: &'a str,
    /// The answer's status.
    pub(crate) status: StatusCode,
}

/// Writes the access log. Who and what is personal and stands at DEBUG; what went wrong on our side
/// is for the operator.
pub(crate) fn access(done: Done<'_>) {
    let Done { method, host, path, client, user, status } = done;
    tracing::debug!(target: "evergate::access", %method, host, path, %client, user, status = status.as_u16(), "answered");
    if status.is_server_error() {
        tracing::info!(target: "evergate::access", %method, host, status = status.as_u16(), "answered with an error");
    }
}
