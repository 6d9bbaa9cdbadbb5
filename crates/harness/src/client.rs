//! A plain HTTP client: every cookie kept for its host, no redirect followed unasked, nothing ever retried.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::markup;
use crate::trust::{Protocol, connector};

/// A browser without a window: cookies per host, one connection for each request.
pub struct Client {
    local_ca: PathBuf,
    connector: TlsConnector,
    protocol: Protocol,
    way: Way,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    extra: Vec<(String, String)>,
}

/// Where connections go, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The address.
    pub to: Ipv4Addr,
    /// The port, whatever the address asked for says.
    pub port: Option<u16>,
    /// The client's own address; the system's choice where it is not said.
    pub from: Option<Ipv4Addr>,
}

impl Default for Way {
    fn default() -> Self {
        Self { to: Ipv4Addr::LOCALHOST, port: None, from: None }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The address that was asked.
    pub url: Uri,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON from {}: {}", self.url, self.text()))
    }

    /// A header as text; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it gives the browser a session.
    #[must_use]
    pub fn opens_a_session(&self) -> bool {
        let lines = self.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let values = lines.filter_map(|line| line.strip_prefix("__Host-evergate="));
        values.into_iter().any(|value| !value.starts_with(';'))
    }

    /// Where it leads on: a redirect, or a page that continues by itself.
    #[must_use]
    pub fn leads_to(&self) -> Option<Uri> {
        let target = if self.status.is_redirection() {
            self.headers.get(LOCATION)?.to_str().ok()?.to_owned()
        } else if self.status.is_success() {
            markup::continues_at(&self.text())?
        } else {
            return None;
        };
        self.resolve(&target)
    }

    /// An address on this page made whole.
    #[must_use]
    pub fn resolve(&self, target: &str) -> Option<Uri> {
        if target.contains("://") {
            return target.parse().ok();
        }
        let origin = format!("https://{}", self.url.authority()?);
        match target {
            "" => Some(self.url.clone()),
            path if path.starts_with('/') => format!("{origin}{path}").parse().ok(),
            query if query.starts_with('?') => format!("{origin}{}{query}", self.url.path()).parse().ok(),
            relative => {
                let (directory, _) = self.url.path().rsplit_once('/')?;
                format!("{origin}{directory}/{relative}").parse().ok()
            }
        }
    }

    /// The first form that asks for `field`.
    #[must_use]
    pub fn form(&self, field: &str) -> Option<markup::Form> {
        markup::forms(&self.text()).into_iter().find(|form| form.asks(field))
    }
}

impl Client {
    /// A client that trusts `local_ca` and speaks HTTP/1.1.
    ///
    /// # Errors
    /// When the CA cannot be read.
    pub fn new(local_ca: &Path) -> Result<Self> {
        Self::speaking(local_ca, Protocol::Http1)
    }

    /// A client of one protocol.
    ///
    /// # Errors
    /// When the CA cannot be read.
    pub fn speaking(local_ca: &Path, protocol: Protocol) -> Result<Self> {
        let connector = connector(local_ca, protocol)?;
        let (cookies, extra) = (BTreeMap::new(), Vec::new());
        Ok(Self { local_ca: local_ca.to_owned(), connector, protocol, way: Way::default(), cookies, extra })
    }

    /// Connects to that port on the loopback address, whatever the address asked for says.
    #[must_use]
    pub const fn through(mut self, port: u16) -> Self {
        self.way.port = Some(port);
        self
    }

    /// Connects that way.
    #[must_use]
    pub const fn by(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    /// Sends this header with every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another client with the same cookies: another window of the same browser.
    ///
    /// # Errors
    /// When the CA cannot be read.
    pub fn twin(&self) -> Result<Self> {
        let mut twin = Self::speaking(&self.local_ca, self.protocol)?;
        twin.cookies = self.cookies.clone();
        twin.extra = self.extra.clone();
        twin.way = self.way;
        Ok(twin)
    }

    /// A cookie's value at a host.
    #[must_use]
    pub fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        self.cookies.get(host)?.get(name).map(String::as_str)
    }

    /// Sets a cookie at a host, as if the host had.
    pub fn set_cookie(&mut self, host: &str, name: &str, value: &str) {
        self.cookies.entry(host.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// What a browser sends as `Cookie` to a host.
    #[must_use]
    pub fn cookie_header(&self, host: &str) -> String {
        let pairs = self.cookies.get(host).into_iter().flatten();
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Asks for a page, as a navigation does.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn get(&mut self, url: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, url)?.header(ACCEPT, "text/html").body(Bytes::new())?).await
    }

    /// Posts a form.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Result<Answer> {
        let body = serde_urlencoded::to_string(fields)?;
        let request = self.request(Method::POST, url)?.header(ACCEPT, "text/html");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let uri: Uri = url.parse()?;
        let origin = format!("https://{}", uri.authority().context("no host")?);
        self.send(request.header("origin", origin).body(body.into())?).await
    }

    /// Follows redirects and pages that continue by themselves, to the first answer that does neither.
    ///
    /// # Errors
    /// When no whole answer comes, or there is no end to it.
    pub async fn follow(&mut self, mut answer: Answer) -> Result<Answer> {
        for _ in 0..12 {
            let Some(next) = answer.leads_to() else { return Ok(answer) };
            answer = self.get(&next.to_string()).await?;
        }
        bail!("redirected without end, last to {}", answer.url)
    }

    /// A request with this client's cookies.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn request(&self, method: Method, url: &str) -> Result<http::request::Builder> {
        let uri: Uri = url.parse().with_context(|| format!("`{url}` is not an address"))?;
        let host = uri.host().context("an address without a host")?.to_owned();
        let mut request = Request::builder().method(method).uri(uri);
        let cookies = self.cookie_header(&host);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        for (name, value) in &self.extra {
            request = request.header(name, value);
        }
        Ok(request)
    }

    /// Sends one request on a connection of its own, and keeps the cookies that come back.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn send(&mut self, request: Request<Bytes>) -> Result<Answer> {
        let url = request.uri().clone();
        let stream = self.connect(&url).await?;
        let answer = exchange(stream, self.protocol, request.map(Full::new)).await?;
        let (parts, body) = answer.into_parts();
        let host = url.host().unwrap_or_default();
        for line in parts.headers.get_all(SET_COOKIE) {
            self.keep(host, line.to_str()?);
        }
        let body = body.collect().await?.to_bytes();
        Ok(Answer { url, status: parts.status, headers: parts.headers, body })
    }

    /// A TLS connection to where `url` is.
    ///
    /// # Errors
    /// When it does not come about.
    pub async fn connect(&self, url: &Uri) -> Result<TlsStream<TcpStream>> {
        connect(&self.connector, url, self.way).await
    }

    fn keep(&mut self, host: &str, line: &str) {
        let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let jar = self.cookies.entry(host.to_owned()).or_default();
        let is_over = line.split(';').skip(1).any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
        if is_over {
            jar.remove(name.trim());
        } else {
            jar.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
}

/// A TLS connection for `url`, by that way.
pub(crate) async fn connect(connector: &TlsConnector, url: &Uri, way: Way) -> Result<TlsStream<TcpStream>> {
    let host = url.host().context("an address without a host")?.to_owned();
    let port = way.port.or(url.port_u16()).unwrap_or(443);
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = way.from {
        socket.bind((from, 0).into())?;
    }
    let stream = socket
        .connect(SocketAddr::from((way.to, port)))
        .await
        .with_context(|| format!("cannot connect to port {port}"))?;
    stream.set_nodelay(true)?;
    connector.connect(host.try_into()?, stream).await.context("no TLS connection")
}

/// One request on a fresh connection.
async fn exchange(
    stream: TlsStream<TcpStream>,
    protocol: Protocol,
    mut request: Request<Full<Bytes>>,
) -> Result<http::Response<hyper::body::Incoming>> {
    let io = TokioIo::new(stream);
    match protocol {
        Protocol::Http1 => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            to_origin_form(&mut request)?;
            sender.send_request(request).await.context("no answer")
        }
        Protocol::Http2 => {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await.context("no answer")
        }
    }
}

/// Puts the host into its header and leaves the path, as HTTP/1.1 wants it.
pub(crate) fn to_origin_form<B>(request: &mut Request<B>) -> Result<()> {
    let authority = request.uri().authority().context("an address without a host")?.to_string();
    if !request.headers().contains_key(HOST) {
        request.headers_mut().insert(HOST, authority.parse()?);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse()?;
    Ok(())
}
