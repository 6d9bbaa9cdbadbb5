//! A small HTTP/1.1 client, one connection per request: for the command line and for asking
//! instances whether they are ready. Not for the proxied path.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::identity::provider;

/// Answers longer than this are refused.
const LONGEST_ANSWER: usize = 64 << 20;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is not one.
    #[error("`{0}` is not an address; write `https://HOST:PORT/PATH`")]
    Address(String),
    /// No CA was given.
    #[error("`{0}` needs TLS, and no CA certificate was given")]
    NoCa(String),
    /// The CA's certificate is not one.
    #[error("the CA certificate cannot be used")]
    Ca(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody took the connection.
    #[error("cannot connect to `{authority}`")]
    Connect {
        /// Where.
        authority: String,
        /// What the system or TLS says.
        #[source]
        source: std::io::Error,
    },
    /// It took too long.
    #[error("`{authority}` did not answer in {limit:?}")]
    Timeout {
        /// Where.
        authority: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("no answer from `{authority}`")]
    Http {
        /// Where.
        authority: String,
        /// What HTTP says.
        #[source]
        source: hyper::Error,
    },
    /// The answer broke off, or was too long.
    #[error("the answer of `{authority}` cannot be read")]
    Body {
        /// Where.
        authority: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl HttpError {
    /// Whether the request cannot have reached anybody.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        matches!(self, Self::Address(_) | Self::NoCa(_) | Self::Ca(_) | Self::Connect { .. })
    }
}

/// The client.
#[derive(Debug, Clone)]
pub struct HttpClient {
    tls: Option<Arc<ClientConfig>>,
    address: Option<SocketAddr>,
    limit: Duration,
}

/// A byte stream, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl HttpClient {
    /// A client without TLS.
    #[must_use]
    pub const fn plain() -> Self {
        Self { tls: None, address: None, limit: Duration::from_secs(30) }
    }

    /// A client that believes exactly this CA (PEM).
    ///
    /// # Errors
    /// When it is not a certificate.
    pub fn with_ca(pem: &[u8]) -> Result<Self, HttpError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots
                .add(certificate.map_err(|error| HttpError::Ca(error.into()))?)
                .map_err(|error| HttpError::Ca(error.into()))?;
        }
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::Ca(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Some(Arc::new(config)), ..Self::plain() })
    }

    /// Connects here whatever the host's name says.
    #[must_use]
    pub const fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Waits so long for an answer's head and body.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer. A status of 4xx or 5xx is an answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let authority = authority(request.uri())?;
        let exchange = async {
            let (head, body) = self.open(request).await?.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER)
                .collect()
                .await
                .map_err(|source| HttpError::Body { authority: authority.clone(), source })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(self.limit, exchange)
            .await
            .map_err(|_| HttpError::Timeout { authority: authority.clone(), limit: self.limit })?
    }

    /// Sends a request and hands over the answer as it comes, for streams of events.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn open(&self, mut request: Request<Bytes>) -> Result<Response<Incoming>, HttpError> {
        let authority = authority(request.uri())?;
        let stream = self.connect(request.uri(), &authority).await?;
        let failed = |source| HttpError::Http { authority: authority.clone(), source };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        drive(connection);
        if let Ok(host) = HeaderValue::from_str(&authority) {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        *request.uri_mut() = path.parse().map_err(|_| HttpError::Address(path.to_owned()))?;
        sender.send_request(request.map(Full::new)).await.map_err(failed)
    }

    async fn connect(&self, uri: &Uri, authority: &str) -> Result<Box<dyn Stream>, HttpError> {
        let failed = |source| HttpError::Connect { authority: authority.to_owned(), source };
        let tls = match uri.scheme_str() {
            Some("https") => Some(self.tls.clone().ok_or_else(|| HttpError::NoCa(uri.to_string()))?),
            _ => None,
        };
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let connecting = async {
            let stream = match self.address {
                Some(address) => TcpStream::connect(address).await?,
                None => TcpStream::connect((resolvable(host), port)).await?,
            };
            stream.set_nodelay(true)?;
            let Some(tls) = tls else { return Ok(Box::new(stream) as Box<dyn Stream>) };
            let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
            Ok(Box::new(TlsConnector::from(tls).connect(name, stream).await?) as Box<dyn Stream>)
        };
        tokio::time::timeout(CONNECT_LIMIT, connecting)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(failed)
    }
}

/// Names below `localhost` are this machine (RFC 6761), whether the resolver knows or not.
fn resolvable(host: &str) -> &str {
    if host.ends_with(".localhost") { "127.0.0.1" } else { host.trim_matches(['[', ']']) }
}

fn authority(uri: &Uri) -> Result<String, HttpError> {
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    uri.authority()
        .filter(|_| known)
        .map(ToString::to_string)
        .ok_or_else(|| HttpError::Address(uri.to_string()))
}

/// Moves the connection's bytes while its one answer is read.
#[expect(clippy::disallowed_methods, reason = "it ends with the answer that its caller holds")]
fn drive(connection: http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a client connection ended");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_whole() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().route(
            "/a",
            axum::routing::get(|headers: http::HeaderMap| async move {
                headers["host"].to_str().unwrap().to_owned()
            }),
        );
        let serving = axum::serve(listener, router).into_future();
        let asking = async {
            let request = Request::get("http://service.example:81/a").body(Bytes::new()).unwrap();
            HttpClient::plain().at(address).send(request).await.unwrap()
        };
        let answer = tokio::select! { answer = asking => answer, _ = serving => panic!("the server ended") };
        assert_eq!(answer.body(), "service.example:81");
    }

    #[tokio::test]
    async fn a_refused_connection_is_known_to_be_unsent() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let request = Request::get(format!("http://{free}/")).body(Bytes::new()).unwrap();
        assert!(HttpClient::plain().send(request).await.unwrap_err().is_unsent());
        let request = Request::get(format!("https://{free}/")).body(Bytes::new()).unwrap();
        assert!(matches!(HttpClient::plain().send(request).await, Err(HttpError::NoCa(_))));
    }
}
