//! Which certificate a browser is shown, by the host that it asks for; replaced while connections
//! stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use evergate_model::Host;
use evergate_model::snapshot::ListenerCertificate;
use evergate_process::identity::provider;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
#[error("the certificate for `{host}` cannot be used")]
pub(crate) struct CertificateError {
    host: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// The certificates in use. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificates(Arc<ArcSwap<InUse>>);

#[derive(Debug, Default)]
struct InUse {
    by_host: BTreeMap<Host, Arc<CertifiedKey>>,
    /// For clients that name no host, or an unknown one: balancers that ask whether we are ready.
    fallback: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Shows exactly these from the next handshake on; the one of `fallback` to clients that name
    /// no known host.
    ///
    /// # Errors
    /// When one of them cannot be used; the old ones then stay.
    pub(crate) fn replace(
        &self,
        certificates: &[ListenerCertificate],
        fallback: &Host,
    ) -> Result<(), CertificateError> {
        let mut by_host = BTreeMap::new();
        for certificate in certificates {
            let key = Arc::new(certified_key(certificate).map_err(|source| CertificateError {
                host: certificate.hosts.first().map(ToString::to_string).unwrap_or_default(),
                source,
            })?);
            by_host.extend(certificate.hosts.iter().map(|host| (host.clone(), Arc::clone(&key))));
        }
        let fallback = by_host.get(fallback).cloned();
        self.0.store(Arc::new(InUse { by_host, fallback }));
        Ok(())
    }

    /// TLS for browsers: 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn server_config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Sealed into the ticket: no memory is kept per client.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let in_use = self.0.load();
        let host = hello.server_name().and_then(|name| name.parse::<Host>().ok());
        host.and_then(|host| in_use.by_host.get(&host)).or(in_use.fallback.as_ref()).cloned()
    }
}

fn certified_key(
    certificate: &ListenerCertificate,
) -> Result<CertifiedKey, Box<dyn std::error::Error + Send + Sync>> {
    let chain =
        CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes())?;
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}
