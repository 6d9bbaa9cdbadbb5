//! Who may call what: by the kind of service that a peer's certificate proves. What is let through is counted.

use std::pin::Pin;
use std::task::{Context, Poll};

use evergate_model::Service;
use evergate_process::identity::Peer;
use tower::{Layer, Service as TowerService};

use Service::{AccessPoint, Administration, Authentication, Distribution, Policy};

/// Every call between services, with who may make it. What is not here is refused; a test compares
/// it with the protobuf files.
pub const CALLS: &[(&str, &[Service])] = &[
    ("/evergate.Policy/Decide", &[AccessPoint, Authentication]),
    ("/evergate.Policy/OpenSession", &[Authentication]),
    ("/evergate.Policy/AddFactors", &[Authentication]),
    ("/evergate.Policy/CreateHandOver", &[Authentication]),
    ("/evergate.Policy/RedeemHandOver", &[AccessPoint]),
    ("/evergate.Policy/EndSession", &[AccessPoint, Authentication]),
    ("/evergate.Policy/ListSessions", &[Authentication, Administration]),
    ("/evergate.Policy/RevokeSessions", &[Authentication, Administration]),
    ("/evergate.Policy/FollowRevocations", &[AccessPoint]),
    ("/evergate.Policy/ReportActivity", &[AccessPoint]),
    ("/evergate.Policy/RecordAudit", &[AccessPoint]),
    ("/evergate.Policy/TestAccess", &[Authentication, Administration]),
    ("/evergate.Distribution/SendMail", &[Authentication, Administration]),
    ("/evergate.Distribution/BeginEnrolment", &[Authentication]),
    ("/evergate.Distribution/ConfirmEnrolment", &[Authentication]),
    ("/evergate.Distribution/EnrolDirectly", &[Administration]),
    (
        "/evergate.Administration/FollowSnapshots",
        &[AccessPoint, Policy, Authentication, Distribution, Administration],
    ),
    ("/evergate.Administration/FetchKeys", &[Policy, Authentication, Distribution, Administration]),
    (
        "/evergate.Administration/RenewCertificate",
        &[AccessPoint, Policy, Authentication, Distribution, Administration],
    ),
    (
        "/evergate.Administration/ReportStatus",
        &[AccessPoint, Policy, Authentication, Distribution, Administration],
    ),
];

/// Counter of calls let through to this instance; label `call`: one of [`CALLS`], or `page`.
pub const CALLS_TOTAL: &str = "evergate_calls_total";

/// The path that heartbeats ask for; every admitted peer may.
pub const HEARTBEAT: &str = "/heartbeat";

/// Whether a peer of this kind may ask for this path. Pages and the REST API (every path that is
/// no call) are for access points, which forward them.
#[must_use]
pub fn allows(caller: Service, path: &str) -> bool {
    if path == HEARTBEAT {
        return true;
    }
    if path.starts_with("/evergate.") {
        return CALLS.iter().any(|(call, callers)| *call == path && callers.contains(&caller));
    }
    caller == AccessPoint
}

/// Whether this peer may ask for this path: one whose certificate has run out may only renew it.
#[must_use]
pub fn allows_peer(peer: &Peer, path: &str) -> bool {
    (!peer.expired || path == RENEWAL) && allows(peer.service, path)
}

const RENEWAL: &str = "/evergate.Administration/RenewCertificate";

/// Refuses what the table does not allow. A request without a proven peer is refused too.
#[derive(Debug, Clone, Copy, Default)]
pub struct GateLayer;

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner }
    }
}

/// A service behind the table: see [`GateLayer`].
#[derive(Debug, Clone)]
pub struct Gate<S> {
    inner: S,
}

impl<S, Body, Answer> TowerService<http::Request<Body>> for Gate<S>
where
    S: TowerService<http::Request<Body>, Response = http::Response<Answer>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    Answer: Default + 'static,
{
    type Response = http::Response<Answer>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let caller = request.extensions().get::<Peer>();
        if caller.is_some_and(|peer| allows_peer(peer, path)) {
            count(path);
            return Box::pin(self.inner.call(request));
        }
        tracing::warn!(
            peer = caller.map(|peer| peer.instance.to_string()),
            path,
            "call refused: its caller's kind may not make it"
        );
        let is_grpc = path.starts_with("/evergate.");
        Box::pin(async move { Ok(refusal(is_grpc)) })
    }
}

fn count(path: &str) {
    let call = CALLS.iter().find(|(call, _)| *call == path).map_or("page", |(call, _)| *call);
    if path != HEARTBEAT {
        metrics::counter!(CALLS_TOTAL, "call" => call).increment(1);
    }
}

fn refusal<Answer: Default>(is_grpc: bool) -> http::Response<Answer> {
    let mut response = http::Response::new(Answer::default());
    if is_grpc {
        // A trailers-only answer (gRPC over HTTP/2): 7 is PERMISSION_DENIED.
        let headers = response.headers_mut();
        headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", http::HeaderValue::from_static("7"));
    } else {
        *response.status_mut() = http::StatusCode::FORBIDDEN;
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn calls_in(package_service: &str, proto: &str) -> Vec<String> {
        proto
            .lines()
            .filter_map(|line| line.trim().strip_prefix("rpc "))
            .filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
            .map(|name| format!("/evergate.{package_service}/{name}"))
            .collect()
    }

    #[test]
    fn every_call_of_the_protobuf_files_is_in_the_table() {
        let mut in_files = BTreeSet::new();
        in_files.extend(calls_in("Policy", include_str!("../proto/evergate/policy.proto")));
        in_files.extend(calls_in("Distribution", include_str!("../proto/evergate/distribution.proto")));
        in_files.extend(calls_in("Administration", include_str!("../proto/evergate/administration.proto")));
        let in_table: BTreeSet<String> = CALLS.iter().map(|(call, _)| (*call).to_owned()).collect();
        assert_eq!(in_files, in_table);
    }

    #[test]
    fn an_access_point_may_neither_open_sessions_nor_fetch_keys() {
        assert!(!allows(AccessPoint, "/evergate.Policy/OpenSession"));
        assert!(!allows(AccessPoint, "/evergate.Administration/FetchKeys"));
        assert!(allows(AccessPoint, "/evergate.Policy/Decide"));
    }

    #[test]
    fn what_is_not_in_the_table_is_refused() {
        assert!(Service::ALL.into_iter().all(|service| !allows(service, "/evergate.Policy/Other")));
        assert!(!allows(Distribution, "/sign-in"));
        assert!(Service::ALL.into_iter().all(|service| allows(service, HEARTBEAT)));
    }
}
