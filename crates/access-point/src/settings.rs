//! The limits of an access point, each with its reason. They are the same for every listener.

use std::path::PathBuf;
use std::time::Duration;

/// How an access point serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Serving threads, each with a runtime of its own; one per core where it is not said.
    pub threads: usize,
    /// Open connections of browsers per thread; beyond it none is accepted.
    pub connections_per_thread: usize,
    /// A client may take so long for the TLS handshake, and for sending a request's head.
    pub head: Duration,
    /// A balancer may take so long for the header that says whom it brings: it is sent at once, and once more where
    /// the network loses it (the specification of the PROXY protocol wants 3 s at least).
    pub proxy_header: Duration,
    /// A connection without a request in hand is closed after so long: later than clients give up theirs (90 s in the
    /// pools of Go's and Rust's common clients, 115 s in Firefox), since one that is closed just when a request is
    /// on its way loses that request for a client that does not repeat it.
    pub idle: Duration,
    /// A client that neither sends the rest of a body nor reads an answer for so long is let go.
    pub stall: Duration,
    /// A server must be reached in so long.
    pub connect: Duration,
    /// A server must begin its answer in so long, and not pause longer within it.
    pub answer: Duration,
    /// A connection to a server that has been idle for so long is closed.
    pub upstream_idle: Duration,
    /// Idle connections to one server that a thread keeps.
    pub upstream_idle_count: usize,
    /// How often time limits of a connection are looked at: they are met to within this.
    pub tick: Duration,
    /// While stopping, connections that balancers bring are taken for so long: each of them may find out only then that
    /// this access point is not ready.
    pub lame: Duration,
    /// While draining, idle connections are left open for so long, so that a request on its way is
    /// still answered.
    pub drain_idle: Duration,
    /// While draining, requests in hand may take so long.
    pub drain_requests: Duration,
    /// Certificates that servers of `https://` upstreams are verified by: the first of these files
    /// that exists.
    pub upstream_roots: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            connections_per_thread: 8192,
            head: Duration::from_secs(10),
            proxy_header: Duration::from_secs(3),
            idle: Duration::from_secs(120),
            stall: Duration::from_secs(60),
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(300),
            upstream_idle: Duration::from_secs(30),
            upstream_idle_count: 256,
            tick: Duration::from_secs(2),
            lame: Duration::from_millis(1500),
            drain_idle: Duration::from_millis(1500),
            drain_requests: Duration::from_secs(5),
            upstream_roots: ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
                .map(PathBuf::from)
                .to_vec(),
        }
    }
}
