//! The internal listener: mutual TLS, HTTP/1.1 and HTTP/2, one router in which gRPC services and
//! pages are merged. The verified peer is an extension of every request.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::get;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use crate::identity::{Identity, PeerCertificate};
use crate::instance::Instance;
use crate::lifecycle::Lifecycle;
use crate::places::Places;
use crate::readiness::Readiness;
use crate::shedding::Arrived;

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A handshake that takes longer is given up.
    pub handshake: Duration,
    /// Request headers that take longer are given up.
    pub headers: Duration,
    /// So many handshakes at once; the next waits in the kernel's queue. Whoever is in one has not said who it is: it
    /// takes no room from those who have.
    pub handshakes: usize,
    /// So many connections at once, half of them at most one peer's; one more is closed.
    pub connections: usize,
    /// So many requests at once on one connection; the next wait at the caller, where they cost nothing
    /// here, and end with its own deadline.
    pub streams: u32,
    /// So many bytes of request headers.
    pub header_bytes: u32,
    /// Requests being answered when the process stops may take so long.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(10),
            handshakes: 256,
            connections: 1024,
            streams: 256,
            header_bytes: 64 * 1024,
            drain: Duration::from_secs(2),
        }
    }
}

/// So many calls that were given up before they were begun may wait on a connection; with the usual
/// 20, an instance that wakes from a hang would lose all its connections to its own callers.
const RESETS: usize = 4096;

/// `GET /heartbeat`, answered 204, or 503 while this instance should be given no work: merge it
/// before the layers, so that it passes through the same queue as every call.
pub fn heartbeat(readiness: &Readiness) -> Router {
    let readiness = readiness.clone();
    let answer = move || async move {
        if readiness.state().ready { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    Router::new().route("/heartbeat", get(answer))
}

/// Listens on the bootstrap file's `listen` address and serves `router` until the process stops.
///
/// # Errors
/// When there is no such address or it cannot be bound.
pub async fn bind_and_serve(instance: &Instance, router: Router) -> anyhow::Result<()> {
    let address =
        instance.bootstrap.listen.as_deref().context("the bootstrap file has no `listen` address")?;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
    serve(instance, listener, router, Limits::default())
}

/// Serves `router` on `listener` until the process stops.
///
/// # Errors
/// When TLS cannot be set up.
pub fn serve(
    instance: &Instance,
    listener: TcpListener,
    router: Router,
    limits: Limits,
) -> anyhow::Result<()> {
    let server = Server {
        places: Places::new(limits.connections),
        acceptor: TlsAcceptor::from(instance.identity.server_config()?),
        identity: instance.identity.clone(),
        lifecycle: instance.lifecycle.clone(),
        now: instance.clock.clone(),
        router,
        limits,
    };
    instance.lifecycle.spawn_until_stop("accept internal", accept(Arc::new(server), listener));
    Ok(())
}

struct Server {
    places: Arc<Places<evergate_model::Name>>,
    acceptor: TlsAcceptor,
    identity: Identity,
    lifecycle: Lifecycle,
    now: crate::clock::Clock,
    router: Router,
    limits: Limits,
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    let handshakes = Arc::new(Semaphore::new(server.limits.handshakes));
    loop {
        let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, from)) => {
                let connection = Arc::clone(&server);
                server.lifecycle.spawn("internal connection", async move {
                    if let Err(error) = connection.serve(stream, handshake).await {
                        tracing::debug!(%from, error = format!("{error:#}"), "an internal connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of descriptors, most likely: accepting again at once would only spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Server {
    async fn serve(&self, stream: TcpStream, handshake: OwnedSemaphorePermit) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut changes = self.identity.changes();
        let stream = tokio::select! {
            stream = tokio::time::timeout(self.limits.handshake, self.acceptor.accept(stream)) => stream??,
            () = self.lifecycle.stopping() => return Ok(()),
        };
        let mut certificate = peer_certificate(&stream).context("the peer showed no certificate")?;
        let place = self.places.enter(&certificate.peer.instance).with_context(|| {
            format!("`{}` has all the connections that it may have", certificate.peer.instance)
        })?;
        drop(handshake);
        certificate.peer.expired = certificate.not_after < self.now.now().as_seconds();
        let no_longer_admitted = async {
            while self.identity.admits(&certificate) {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            served = self.answer(stream, &certificate) => served?,
            () = no_longer_admitted => {
                tracing::info!(peer = %certificate.peer.instance, "closed the connection of a peer that is no longer admitted");
            }
        }
        drop(place);
        Ok(())
    }

    async fn answer(
        &self,
        stream: TlsStream<TcpStream>,
        certificate: &PeerCertificate,
    ) -> anyhow::Result<()> {
        let shown = Arc::new(certificate.clone());
        let service = hyper::service::service_fn(|mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(certificate.peer.clone());
            request.extensions_mut().insert(Arc::clone(&shown));
            request.extensions_mut().insert(Arrived::now());
            self.router.clone().oneshot(request.map(Body::new))
        });
        let builder = self.builder();
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            served = connection.as_mut() => return served.map_err(anyhow::Error::from_boxed),
            () = self.lifecycle.stopping() => connection.as_mut().graceful_shutdown(),
        }
        tokio::time::timeout(self.limits.drain, connection).await?.map_err(anyhow::Error::from_boxed)
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.headers).max_headers(200);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            // Callers are peers: they give up whole bursts of calls when another instance answered first.
            .max_pending_accept_reset_streams(RESETS)
            .max_header_list_size(self.limits.header_bytes)
            .max_local_error_reset_streams(RESETS)
            .keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10));
        builder
    }
}

fn peer_certificate(stream: &TlsStream<TcpStream>) -> Option<PeerCertificate> {
    let (_, connection) = stream.get_ref();
    PeerCertificate::read(connection.peer_certificates()?.first()?)
}
