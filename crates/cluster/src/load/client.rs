//! A client of HTTP/1.1 over TLS that never sends a request a second time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tally::{Broken, Loss};

/// An answer, or a connection, that takes longer is lost.
const LIMIT: Duration = Duration::from_secs(10);

/// On which connection a request goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On an idle one that was used before, if there is one that is open; it is kept afterwards.
    Kept,
    /// On a new one, closed afterwards.
    New,
}

/// Sends requests to one address, whatever hosts they name.
pub struct LoadClient {
    connector: TlsConnector,
    to: SocketAddr,
    kept: Mutex<BTreeMap<String, Vec<Connection>>>,
}

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    opened: Instant,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum LoadClientError {
    /// The CA's certificate is not one.
    #[error("the CA certificate cannot be used: {0}")]
    Ca(String),
}

impl std::fmt::Debug for LoadClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadClient").field("to", &self.to).finish_non_exhaustive()
    }
}

impl LoadClient {
    /// A client that believes exactly this CA (PEM) and connects to `to`.
    ///
    /// # Errors
    /// When the CA is none.
    pub fn new(local_ca: &[u8], to: SocketAddr) -> Result<Self, LoadClientError> {
        let bad = |error: &dyn std::fmt::Display| LoadClientError::Ca(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(local_ca) {
            let certificate = certificate.map_err(|error| bad(&error))?;
            roots.add(certificate).map_err(|error| bad(&error))?;
        }
        let mut config = ClientConfig::builder_with_provider(evergate_process::identity::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), to, kept: Mutex::default() })
    }

    /// Sends one request, with its whole address, and reads the whole answer. A kept connection that
    /// is found closed before anything was written to it is passed over; what was written is not
    /// written again.
    ///
    /// # Errors
    /// When there is no whole answer within 10 s.
    pub async fn send(&self, way: Way, request: Request<Bytes>) -> Result<Response<Bytes>, Loss> {
        let (host, mut request) = in_origin_form(request)?;
        loop {
            let kept = if way == Way::Kept { self.take(&host) } else { None };
            let is_used = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.open(&host).await?,
            };
            let broken = Broken { opened: connection.opened, begun: Instant::now() };
            let lost = |reason: String| Loss { reason, broken: Some(broken) };
            let outcome = timeout(LIMIT, ask(&mut connection, request)).await;
            match outcome.map_err(|_| lost(too_long()))? {
                Outcome::Answered(answer) => {
                    if way == Way::Kept {
                        self.keep(host, connection);
                    }
                    return Ok(answer);
                }
                Outcome::Unwritten(again, _) if is_used => request = again,
                Outcome::Unwritten(_, reason) | Outcome::Lost(reason) => return Err(lost(reason)),
            }
        }
    }

    async fn open(&self, host: &str) -> Result<Connection, Loss> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| Loss::because(error.to_string()))?;
        let refused = |error: std::io::Error| Loss::because(format!("no connection: {error}"));
        // Taken before, since under load this task may hear late that the connection stands.
        let opened = Instant::now();
        let connecting = timeout(LIMIT, TcpStream::connect(self.to)).await;
        let stream = connecting.map_err(|_| Loss::because(too_long()))?.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let broken = |reason: String| Loss { reason, broken: Some(Broken { opened, begun: opened }) };
        let broke = |error: &dyn std::error::Error| broken(format!("the handshake broke: {}", whole(error)));
        let handshake = timeout(LIMIT, self.connector.connect(name, stream)).await;
        let stream = handshake.map_err(|_| broken(too_long()))?.map_err(|error| broke(&error))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broke(&error))?;
        drive(connection);
        Ok(Connection { sender, opened })
    }

    /// The connection that was idle for longest and is still open.
    fn take(&self, host: &str) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = kept.get_mut(host)?;
        connections.retain(|connection| !connection.sender.is_closed());
        if connections.is_empty() { None } else { Some(connections.remove(0)) }
    }

    fn keep(&self, host: String, connection: Connection) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(host).or_default().push(connection);
    }
}

/// What became of a request on one connection.
enum Outcome {
    Answered(Response<Bytes>),
    /// Nothing of it was written: the connection was closed before, and this is why.
    Unwritten(Request<Full<Bytes>>, String),
    Lost(String),
}

async fn ask(connection: &mut Connection, request: Request<Full<Bytes>>) -> Outcome {
    if let Err(error) = connection.sender.ready().await {
        return Outcome::Unwritten(
            request,
            format!("the connection closed before the request: {}", whole(&error)),
        );
    }
    let answer = match connection.sender.try_send_request(request).await {
        Ok(answer) => answer,
        Err(mut error) => {
            let reason = format!("no answer: {}", whole(error.error()));
            return match error.take_message() {
                Some(unwritten) => Outcome::Unwritten(unwritten, reason),
                None => Outcome::Lost(reason),
            };
        }
    };
    let (head, body) = answer.into_parts();
    match body.collect().await {
        Ok(body) => Outcome::Answered(Response::from_parts(head, body.to_bytes())),
        Err(error) => Outcome::Lost(format!("half an answer: {}", whole(&error))),
    }
}

fn too_long() -> String {
    format!("no answer within {} s", LIMIT.as_secs())
}

/// The host to connect to, and the request as HTTP/1.1 wants it: the path, and the host in a header.
fn in_origin_form(request: Request<Bytes>) -> Result<(String, Request<Full<Bytes>>), Loss> {
    let mut request = request.map(Full::new);
    let bad = || Loss::because(format!("`{}` is not an address", request.uri()));
    let authority = request.uri().authority().ok_or_else(bad)?.clone();
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let path = path.parse().map_err(|_| bad())?;
    let value = HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?;
    *request.uri_mut() = path;
    request.headers_mut().insert(header::HOST, value);
    Ok((authority.host().to_owned(), request))
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Moves the connection's bytes for as long as its sender lives.
#[expect(clippy::disallowed_methods, reason = "it ends when the client drops the connection")]
fn drive(connection: http1::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>>) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of the load ended");
        }
    });
}
