//! One application server: where it is, and how a connection to it is made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use evergate_failover::MemberId;
use evergate_process::names::{Missed, Names};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::pool::{Sender, ServerNumber};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// An application server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Unique in this process.
    pub(crate) number: ServerNumber,
    /// Its URL, by which the failover engine and operators know it.
    pub(crate) member: MemberId,
    /// Requests that it has in hand.
    pub(crate) in_hand: AtomicU32,
    /// Requests that it has had in hand for long.
    pub(crate) waiting: AtomicU32,
    /// When it last began an answer: microseconds since it was made.
    answered: AtomicU64,
    made: Instant,
    host: String,
    port: u16,
    tls: Option<ServerName<'static>>,
}

/// Why a text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the URL of a server: write `http://HOST:PORT` or `https://HOST:PORT`")]
pub(crate) struct UrlError(String);

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Its name has no address.
    #[error("no address is known")]
    NoAddress(#[source] std::io::Error),
    /// It does not take connections.
    #[error("it refuses connections")]
    Refused(#[source] std::io::Error),
    /// It does not answer connections.
    #[error("it does not answer in time")]
    TimedOut,
    /// TLS failed.
    #[error("no secure connection")]
    Tls(#[source] std::io::Error),
    /// HTTP failed.
    #[error("no HTTP connection")]
    Http(#[source] hyper::Error),
}

/// What is needed to connect.
#[derive(Debug)]
pub(crate) struct Connector {
    /// By which servers of `https://` upstreams are verified.
    pub(crate) tls: Arc<ClientConfig>,
    /// Where connections run.
    pub(crate) tasks: TaskTracker,
    /// Where the servers' names lead.
    pub(crate) names: Names,
}

impl Server {
    /// The server at this URL.
    ///
    /// # Errors
    /// When it is no such URL.
    pub(crate) fn from_url(url: &str) -> Result<Self, UrlError> {
        let wrong = || UrlError(url.chars().take(200).collect());
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        let authority =
            uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(wrong());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(ServerName::try_from(host.clone()).map_err(|_| wrong())?), 443),
            _ => return Err(wrong()),
        };
        let port = authority.port_u16().unwrap_or(port);
        Ok(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            member: MemberId::from(url),
            in_hand: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            made: Instant::now(),
            host,
            port,
            tls,
        })
    }

    /// The host that it runs on.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// It began an answer.
    pub(crate) fn note_answer(&self, at: Instant) {
        self.answered.fetch_max(self.microseconds(at), Ordering::Relaxed);
    }

    /// Whether it has begun no answer at all since then.
    #[must_use]
    pub(crate) fn is_silent_since(&self, then: Instant) -> bool {
        self.answered.load(Ordering::Relaxed) <= self.microseconds(then)
    }

    fn microseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made).as_micros()).unwrap_or(u64::MAX)
    }

    /// A new connection, made within `limit`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) async fn connect(
        &self,
        connector: &Connector,
        limit: Duration,
    ) -> Result<Sender, ConnectError> {
        tokio::time::timeout(limit, self.connect_unlimited(connector))
            .await
            .unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn connect_unlimited(&self, connector: &Connector) -> Result<Sender, ConnectError> {
        let attempt = |address| self.connect_to(address, connector);
        connector.names.reach(&self.host, self.port, attempt).await.map_err(|missed| match missed {
            Missed::NoAddress(error) => ConnectError::NoAddress(error),
            Missed::Failed(error) => error,
        })
    }

    async fn connect_to(&self, address: SocketAddr, connector: &Connector) -> Result<Sender, ConnectError> {
        let stream = TcpStream::connect(address).await.map_err(ConnectError::Refused)?;
        stream.set_nodelay(true).map_err(ConnectError::Refused)?;
        match &self.tls {
            None => http(stream, connector).await,
            Some(name) => {
                let tls = TlsConnector::from(Arc::clone(&connector.tls));
                http(tls.connect(name.clone(), stream).await.map_err(ConnectError::Tls)?, connector).await
            }
        }
    }
}

async fn http<Io>(stream: Io, connector: &Connector) -> Result<Sender, ConnectError>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(ConnectError::Http)?;
    connector.tasks.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a server ended");
        }
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_server_has_no_path() {
        for (url, port, is_tls) in [
            ("http://127.0.0.1:3000", 3000, false),
            ("http://wiki.internal/", 80, false),
            ("https://wiki.internal", 443, true),
            ("https://[::1]:8443", 8443, true),
        ] {
            let server = Server::from_url(url).unwrap();
            assert_eq!((server.port, server.tls.is_some()), (port, is_tls), "{url}");
        }
        for bad in ["", "127.0.0.1:3000", "ftp://a", "http://a/b", "http://u@a", "http://", "https://a b"] {
            assert!(Server::from_url(bad).is_err(), "{bad}");
        }
    }
}
