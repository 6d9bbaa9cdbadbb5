//! One client connection: whose it is, TLS, HTTP/1.1 or HTTP/2, and how it ends.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin;
use std::sync::Arc;

use http::Request;
use hyper::body;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::accept::framing::LONGEST_HEAD;
use crate::accept::guard::{Activity, Guard};
use crate::accept::opening::{self, Beginning, Client, Refused};
use crate::accept::plain;
use crate::desk::{Desk, Mode, Origin};
use crate::settings::Settings;

/// Streams of one HTTP/2 connection at a time.
const STREAMS: u32 = 128;

/// A thread's way of serving connections.
#[derive(Clone)]
pub(crate) struct Serving {
    /// Where requests are answered.
    pub(crate) desk: Desk,
    /// The limits.
    pub(crate) settings: Arc<Settings>,
    /// Whether connections are to end.
    pub(crate) mode: watch::Receiver<Mode>,
}

/// A connection as it comes in.
pub(crate) struct Incoming {
    /// Its bytes.
    pub(crate) stream: TcpStream,
    /// The other end.
    pub(crate) peer: IpAddr,
    /// From where balancers bring connections.
    pub(crate) balancers: Arc<[IpNet]>,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(incoming: Incoming, tls: Option<TlsAcceptor>, serving: Serving) {
    let Incoming { mut stream, peer, balancers } = incoming;
    // Answers are written whole: waiting for more would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection gone before it began");
        return;
    }
    let settings = &serving.settings;
    let outcome = match opening::client(&mut stream, peer, &balancers, settings.proxy_header).await {
        Ok(client) => serve_client(stream, client, tls, serving).await,
        Err(refused) => Err(refused),
    };
    if let Err(refused) = outcome {
        refused.count();
        tracing::debug!(error = %refused, %peer, "connection refused");
    }
}

/// The same once it is known whose it is.
async fn serve_client(
    mut stream: TcpStream,
    client: Client,
    tls: Option<TlsAcceptor>,
    serving: Serving,
) -> Result<(), Refused> {
    let Some(tls) = tls else {
        serve_http(stream, client, false, serving).await;
        return Ok(());
    };
    let limit = serving.settings.head;
    let opening = async {
        match opening::beginning(&stream).await? {
            Beginning::Other => plain::answer(&mut stream, limit).await.map(|()| None),
            Beginning::Handshake => Ok(Some(tls.accept(stream).await)),
        }
    };
    match tokio::time::timeout(limit, opening).await {
        Ok(Ok(Some(Ok(stream)))) => {
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve_http(stream, client, is_http2, serving).await;
        }
        Ok(Ok(Some(Err(error)))) => {
            tracing::debug!(%error, client = %client.address, "TLS handshake failed");
        }
        Ok(Ok(None)) => tracing::debug!(client = %client.address, "no TLS handshake"),
        Ok(Err(refused)) => return Err(refused),
        Err(_) => tracing::debug!(client = %client.address, "TLS handshake took too long"),
    }
    Ok(())
}

async fn serve_http<Io>(io: Io, client: Client, is_http2: bool, serving: Serving)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Serving { desk, settings, mode } = serving;
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(Guard::new(io, is_http2, Arc::clone(&activity), &settings));
    let origin = Origin { client: client.address, is_named: client.is_named, activity };
    let place = Arc::new((desk, origin));
    let service = service_fn(move |request: Request<body::Incoming>| {
        let place = Arc::clone(&place);
        async move { Ok::<_, Infallible>(place.0.answer(&place.1, request).await) }
    });
    let outcome = if is_http2 {
        let connection = http2_settings(&settings).serve_connection(io, service);
        let mut connection = pin::pin!(connection);
        tokio::select! {
            biased;
            outcome = connection.as_mut() => outcome,
            () = left(mode) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        let mut connection =
            builder.max_buf_size(2 * LONGEST_HEAD).serve_connection(io, service).with_upgrades();
        let outcome = tokio::select! {
            biased;
            outcome = &mut connection => outcome,
            () = left_and_idle(mode, &settings) => {
                pin::Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        if let Some(parts) = connection.into_parts() {
            parts.io.into_inner().close().await;
        }
        outcome
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, client = %client.address, "connection ended");
    }
}

fn http2_settings(settings: &Settings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(LONGEST_HEAD).unwrap_or(u32::MAX))
        .max_send_buf_size(64 * 1024)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(settings.idle / 3);
    builder
}

/// Resolves when connections are to end.
async fn left(mut mode: watch::Receiver<Mode>) {
    // An error means that the process ends: the same.
    drop(mode.wait_for(|mode| *mode != Mode::Serving).await);
}

/// The same for HTTP/1.1, which cannot say that it ends but with an answer: a request that is on
/// its way on an idle connection is waited for a little.
async fn left_and_idle(mode: watch::Receiver<Mode>, settings: &Settings) {
    left(mode).await;
    tokio::time::sleep(settings.drain_idle).await;
}
