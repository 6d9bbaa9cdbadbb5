//! The listener by which browsers and API clients reach this instance directly, past the access
//! points: TLS with the local CA's certificates for `localhost` and for the address of its node.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use evergate_process::identity;
use evergate_process::places::Places;
use evergate_store::{Reading, installation};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::office::Office;
use crate::{Failure, certificates};

/// So many connections at once by each listener; no address holds more than half of them.
const CONNECTIONS: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Whoever says nothing for so long, where a request may begin, is not waited for.
const HEADERS: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address that a request to this listener came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirectClient(pub(crate) IpAddr);

/// Listens on the bootstrap file's listeners until the process stops.
pub(crate) async fn serve(office: &Office, router: Router) -> anyhow::Result<()> {
    if office.instance.bootstrap.listeners.is_empty() {
        return Ok(());
    }
    let certificate = Arc::new(Shown(ArcSwap::from_pointee(load_all(office).await?)));
    let mut config = ServerConfig::builder_with_provider(identity::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&certificate) as _);
    // HTTP/2 knows no limit for who says nothing after the handshake; through the access points there is both.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server =
        Arc::new(Server { acceptor: TlsAcceptor::from(Arc::new(config)), router, office: office.clone() });
    let lifecycle = &office.instance.lifecycle;
    for source in &office.instance.bootstrap.listeners {
        let listener = source.open().with_context(|| format!("cannot listen on {source:?}"))?;
        let listener = TcpListener::from_std(listener)?;
        lifecycle.spawn_until_stop("accept browsers", accept(Arc::clone(&server), listener));
    }
    lifecycle.spawn_until_stop("renew the browsers' certificate", renew(office.clone(), certificate));
    Ok(())
}

/// The certificates that are shown, by host: `localhost`, and how other machines reach this one;
/// replaced while connections stand.
#[derive(Debug)]
struct Shown(ArcSwap<Vec<(String, Arc<CertifiedKey>)>>);

impl ResolvesServerCert for Shown {
    /// Who names no host has asked for an address (RFC 6066 section 3): no one does that for this
    /// machine's own.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.load();
        let found = match hello.server_name() {
            Some(host) => all.iter().find(|(name, _)| name == host).or_else(|| all.first()),
            None => all.last(),
        };
        found.map(|(_, certificate)| Arc::clone(certificate))
    }
}

async fn load_all(office: &Office) -> Result<Vec<(String, Arc<CertifiedKey>)>, Failure> {
    let mut reading = office.store.read().await?;
    let topology = installation::get(&mut reading).await?.ok_or(Failure::Missing("installation"))?.topology;
    let own = topology.find(&office.instance.bootstrap.instance).and_then(certificates::direct_host);
    let mut all = Vec::new();
    for host in std::iter::once(certificates::LOCALHOST.to_owned()).chain(own.map(|host| host.to_string())) {
        let certificate = load(office, &mut reading, &host).await?;
        all.push((host, Arc::new(certificate)));
    }
    Ok(all)
}

async fn load(office: &Office, reading: &mut Reading, host: &str) -> Result<CertifiedKey, Failure> {
    let found = certificates::find(reading, &office.vault, host)
        .await?
        .ok_or(Failure::Missing("certificate for its own listener"))?;
    let failed = Failure::crypto("certificate for its own listener");
    let chain = CertificateDer::pem_slice_iter(found.chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::from_pem_slice(found.key.as_bytes()).map_err(|error| failed(&error))?;
    CertifiedKey::from_der(chain, key, &identity::provider()).map_err(|error| failed(&error))
}

/// The certificate is made anew long before it expires; with each revision there may be another.
async fn renew(office: Office, shown: Arc<Shown>) {
    let mut heads = office.heads.clone();
    let mut revision = heads.borrow_and_update().revision;
    while heads.changed().await.is_ok() {
        let latest = heads.borrow_and_update().revision;
        if latest == revision {
            continue;
        }
        match load_all(&office).await {
            Ok(certificate) => {
                shown.0.store(Arc::new(certificate));
                revision = latest;
            }
            Err(error) => tracing::warn!(error = crate::failure::chain(&error), "certificate not renewed"),
        }
    }
}

struct Server {
    acceptor: TlsAcceptor,
    router: Router,
    office: Office,
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    // Its own, so that who fills the outer listener does not keep this machine's own commands out.
    let places = Places::new(CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(place) = places.enter(&address.ip()) else { continue };
                let one = Arc::clone(&server);
                server.office.instance.lifecycle.spawn("browser connection", async move {
                    one.converse(stream, address.ip()).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Server {
    async fn converse(&self, stream: TcpStream, client: IpAddr) {
        drop(stream.set_nodelay(true));
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await else {
            return;
        };
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(DirectClient(client));
            router.clone().oneshot(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADERS);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.office.instance.lifecycle.stopping() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a browser's connection ended");
        }
    }
}
