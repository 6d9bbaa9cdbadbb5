//! This instance's own certificate and key, replaceable while connections stand.

use std::sync::Arc;

use arc_swap::ArcSwap;
use evergate_model::{Secret, Timestamp};
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::IdentityError;
use super::peer::{Peer, PeerCertificate, sha256};

/// The certificate an instance shows.
#[derive(Debug)]
pub struct Own {
    /// SHA-256 of its DER, hex: what the admitted list names it by.
    pub certificate_sha256: String,
    /// When it was made.
    pub not_before: Timestamp,
    /// When it runs out.
    pub not_after: Timestamp,
    certified: Arc<CertifiedKey>,
}

impl Own {
    pub(super) fn from_pem(
        certificate: &str,
        key: &Secret<String>,
        me: &Peer,
        provider: &CryptoProvider,
    ) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| IdentityError::Pem { what: "certificate", source })?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
            .map_err(|source| IdentityError::Pem { what: "key", source })?;
        let certified = CertifiedKey::from_der(chain, key, provider)?;
        let leaf = certified.end_entity_cert()?;
        let found = PeerCertificate::read(leaf).map(|found| found.peer);
        if found.as_ref() != Some(me) {
            let found = found.map_or_else(|| "nobody".to_owned(), |found| found.dns_name());
            return Err(IdentityError::SomebodyElse { found, wanted: me.dns_name() });
        }
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|source| IdentityError::Certificate { what: "certificate", source: source.into() })?;
        let validity = parsed.validity();
        Ok(Self {
            certificate_sha256: sha256(leaf),
            not_before: Timestamp::from_seconds(validity.not_before.timestamp()),
            not_after: Timestamp::from_seconds(validity.not_after.timestamp()),
            certified: Arc::new(certified),
        })
    }

    /// The moment at half of its life, when it should be renewed.
    #[must_use]
    pub fn half_life(&self) -> Timestamp {
        self.not_before.plus(self.not_after.since(self.not_before) / 2)
    }
}

/// The certificate in use at present, as rustls asks for it.
#[derive(Debug)]
pub(super) struct Current(ArcSwap<Own>);

impl Current {
    pub(super) fn new(own: Own) -> Self {
        Self(ArcSwap::from_pointee(own))
    }

    pub(super) fn load(&self) -> Arc<Own> {
        self.0.load_full()
    }

    pub(super) fn store(&self, own: Own) {
        self.0.store(Arc::new(own));
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
