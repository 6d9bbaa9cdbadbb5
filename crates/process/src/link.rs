//! A link: one HTTP/2 connection over mutual TLS to one peer instance. gRPC clients and forwarded
//! pages use the same one; when it breaks it stays broken, and a new one is dialled.

mod dial;
mod error;

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use evergate_failover::Reach;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;

pub use dial::{LinkDial, Target};
pub use error::{LinkError, reach_of_status};

use crate::identity::{Identity, Peer};
use crate::lifecycle::Lifecycle;
use crate::names::{Missed, Names};

/// A connection attempt that takes longer is given up.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// A silent connection is asked for a sign of life this often, so that one cut off by a partition
/// is found also when nobody calls.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// One connection to a peer. Cheap to clone; calls share it.
#[derive(Debug, Clone)]
pub struct Link {
    sender: SendRequest<Body>,
    target: Arc<Target>,
    ended: CancellationToken,
}

impl Link {
    /// Connects to `target`, which must prove that it is that peer.
    ///
    /// # Errors
    /// When nobody listens there, it does not answer in a second, or it is somebody else.
    pub async fn connect(
        identity: &Identity,
        lifecycle: &Lifecycle,
        names: &Names,
        target: Arc<Target>,
    ) -> Result<Self, LinkError> {
        let connecting = async {
            let no_connection = |source| LinkError::Connect { address: target.address.clone(), source };
            let (host, port) = host_and_port(&target.address).map_err(no_connection)?;
            let attempt = |address| Self::connect_to(address, identity, lifecycle, Arc::clone(&target));
            names.reach(host, port, attempt).await.map_err(|missed| match missed {
                Missed::NoAddress(source) => no_connection(source),
                Missed::Failed(error) => error,
            })
        };
        tokio::time::timeout(CONNECT_LIMIT, connecting)
            .await
            .map_err(|_| LinkError::ConnectTimeout { address: target.address.clone() })?
    }

    async fn connect_to(
        address: SocketAddr,
        identity: &Identity,
        lifecycle: &Lifecycle,
        target: Arc<Target>,
    ) -> Result<Self, LinkError> {
        let failed = |source| LinkError::Connect { address: target.address.clone(), source };
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let handshake_failed = |source| LinkError::Handshake { peer: target.peer.dns_name(), source };
        let config = identity
            .client_config(&target.peer)
            .map_err(|error| handshake_failed(std::io::Error::other(error)))?;
        let name = ServerName::try_from(target.peer.dns_name())
            .map_err(|error| handshake_failed(std::io::Error::other(error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(handshake_failed)?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .max_send_buf_size(256 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| LinkError::NotSent { peer: target.peer.dns_name(), source })?;
        let ended = CancellationToken::new();
        let guard: DropGuard = ended.clone().drop_guard();
        // Until the end: requests that are being drained need their links.
        lifecycle.spawn_until_end("link", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a link ended");
            }
            drop(guard);
        });
        Ok(Self { sender, target, ended })
    }

    /// The instance at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.target.peer
    }

    /// Whether the connection is over; calls on it fail at once.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.ended.is_cancelled() || self.sender.is_closed()
    }

    /// Resolves when the connection is over.
    pub async fn closed(&self) {
        self.ended.cancelled().await;
    }

    /// Sends a request; the answer's body is still to be read. Only path and query of its URI
    /// count.
    ///
    /// # Errors
    /// When no answer came; the error knows whether the request can have reached the peer.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, LinkError> {
        let peer = self.target.peer.dns_name();
        *request.uri_mut() = on_peer(request.uri(), &peer);
        *request.version_mut() = http::Version::HTTP_2;
        let mut sender = self.sender.clone();
        if let Err(source) = sender.ready().await {
            return Err(LinkError::NotSent { peer, source });
        }
        sender.try_send_request(request).await.map_err(|mut error| {
            let unsent = error.take_message().is_some() || error::is_refusal(error.error());
            let source = error.into_error();
            if unsent { LinkError::NotSent { peer, source } } else { LinkError::Lost { peer, source } }
        })
    }

    /// Asks for a sign of life that passes through the peer's queue of requests; the status of its
    /// answer.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn heartbeat(&self) -> Result<http::StatusCode, LinkError> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from_static("/heartbeat");
        self.send(request).await.map(|answer| answer.status())
    }
}

/// The two parts of `host:port`.
fn host_and_port(address: &str) -> std::io::Result<(&str, u16)> {
    let invalid = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "the address is not `host:port`");
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    Ok((host, port.parse().map_err(|_| invalid())?))
}

/// The same path and query at the peer.
fn on_peer(uri: &Uri, peer: &str) -> Uri {
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Uri::builder()
        .scheme("https")
        .authority(peer)
        .path_and_query(path)
        .build()
        .unwrap_or_else(|_| uri.clone())
}

impl tower::Service<Request<Body>> for Link {
    type Response = Response<Incoming>;
    type Error = LinkError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        // `send` waits for the connection itself, so that clones need no permit of their own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let link = self.clone();
        Box::pin(async move { link.send(request).await })
    }
}

impl LinkError {
    /// How far the request came.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Handshake { .. }
            | Self::NotSent { .. } => Reach::NotReached,
            Self::Lost { .. } => Reach::Lost,
        }
    }
}
