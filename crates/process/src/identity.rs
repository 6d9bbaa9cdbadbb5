//! Who this instance is, and whom it believes.
//!
//! A peer is believed when its certificate's chain leads to an identity root, its name says which
//! instance and service it is, and the certificate itself is on the admitted list of the latest
//! snapshot. Certificates, roots and list are replaced while connections stand.

mod own;
mod peer;
mod request;
mod verifier;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use evergate_model::snapshot::Admitted;
use evergate_model::{Name, Service, Timestamp};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::watch;

pub use own::Own;
pub use peer::{Peer, PeerCertificate, sha256};
pub use request::CertificateRequest;

use crate::bootstrap::Bootstrap;

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A text is not PEM of the wanted kind.
    #[error("the {what} is not PEM")]
    Pem {
        /// Which text.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate cannot be read.
    #[error("the {what} is not an X.509 certificate that can be used")]
    Certificate {
        /// Which one.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate is somebody else's.
    #[error("the certificate is for `{found}`, not for `{wanted}`")]
    SomebodyElse {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// There is no root.
    #[error("there is no identity root")]
    NoRoots,
    /// TLS cannot be set up with it.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// A key or a request cannot be made.
    #[error("a certificate request cannot be made")]
    Request(#[from] rcgen::Error),
}

/// This instance's identity. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Identity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    me: Peer,
    own: Arc<own::Current>,
    trust: Arc<ArcSwap<Trust>>,
    writing: Mutex<()>,
    changes: watch::Sender<u64>,
    provider: Arc<CryptoProvider>,
    accept_expired: bool,
}

/// Roots and admitted list, always replaced together with what is built from them.
#[derive(Debug)]
struct Trust {
    verifiers: verifier::Verifiers,
    admitted: Vec<Admitted>,
    newer: Option<Newer>,
}

/// Administration instances that may have renewed their certificates since the list was made: for an instance that
/// starts with a file or a snapshot of some days ago, and would else refuse the only ones who can send it a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Newer {
    administration: Vec<Name>,
    /// Seconds since the epoch.
    than: i64,
}

impl Trust {
    fn admits(&self, certificate: &PeerCertificate) -> bool {
        let PeerCertificate { peer, sha256, not_before, .. } = certificate;
        let is_listed = self.admitted.iter().any(|admitted| {
            admitted.instance == peer.instance
                && admitted.service == peer.service
                && admitted.certificates.contains(sha256)
        });
        is_listed
            || self.newer.as_ref().is_some_and(|newer| {
                peer.service == Service::Administration
                    && newer.administration.contains(&peer.instance)
                    && *not_before >= newer.than
            })
    }
}

/// The TLS and crypto provider used everywhere.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Identity {
    /// The identity in a bootstrap file; until a snapshot says more, only administration is believed.
    ///
    /// # Errors
    /// When certificate, key or roots cannot be used.
    pub fn from_bootstrap(bootstrap: &Bootstrap) -> Result<Self, IdentityError> {
        let me = Peer::new(bootstrap.instance.clone(), bootstrap.service);
        let provider = provider();
        let own = Own::from_pem(&bootstrap.certificate, &bootstrap.key, &me, &provider)?;
        let administration = bootstrap.administration.iter().map(|peer| peer.instance.clone());
        let trust = Trust {
            verifiers: verifier::Verifiers::new(roots(&bootstrap.identity_roots)?, &provider)?,
            admitted: bootstrap.first_admitted(),
            newer: Some(Newer {
                administration: administration.collect(),
                // The file was made with this certificate, or later.
                than: own.not_before.as_milliseconds() / 1000,
            }),
        };
        Ok(Self(Arc::new(Inner {
            accept_expired: me.service == Service::Administration,
            me,
            own: Arc::new(own::Current::new(own)),
            trust: Arc::new(ArcSwap::from_pointee(trust)),
            writing: Mutex::new(()),
            changes: watch::Sender::new(0),
            provider,
        })))
    }

    /// Who this instance is.
    #[must_use]
    pub fn me(&self) -> &Peer {
        &self.0.me
    }

    /// This instance's name.
    #[must_use]
    pub fn instance(&self) -> &Name {
        &self.0.me.instance
    }

    /// What this instance runs.
    #[must_use]
    pub fn service(&self) -> Service {
        self.0.me.service
    }

    /// The certificate in use.
    #[must_use]
    pub fn own(&self) -> Arc<Own> {
        self.0.own.load()
    }

    /// Uses another certificate and key from the next handshake on.
    ///
    /// # Errors
    /// When they cannot be used or are not for this instance; the old ones then stay.
    pub fn replace(
        &self,
        certificate: &str,
        key: &evergate_model::Secret<String>,
    ) -> Result<(), IdentityError> {
        let own = Own::from_pem(certificate, key, &self.0.me, &self.0.provider)?;
        self.0.own.store(own);
        Ok(())
    }

    /// Uses another certificate and key unless the present one is valid for longer; whether it
    /// is.
    ///
    /// # Errors
    /// As [`Identity::replace`].
    pub fn replace_if_newer(
        &self,
        certificate: &str,
        key: &evergate_model::Secret<String>,
    ) -> Result<bool, IdentityError> {
        let own = Own::from_pem(certificate, key, &self.0.me, &self.0.provider)?;
        // Equal: both were made within one second, and the one that came later is this one.
        let is_newer = own.not_after >= self.own().not_after;
        if is_newer {
            self.0.own.store(own);
        }
        Ok(is_newer)
    }

    /// Believes exactly these certificates from now on; connections of others are closed.
    pub fn set_admitted(&self, admitted: Vec<Admitted>) {
        let writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.0.trust.load();
        if old.admitted == admitted && old.newer.is_none() {
            return;
        }
        self.0.trust.store(Arc::new(Trust { verifiers: old.verifiers.clone(), admitted, newer: None }));
        drop(writing);
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Believes these administration instances also by certificates that were issued since the list was made, at
    /// `since`, until the next list says which. Only who was admitted when it was issued can have such a one; one that was
    /// dismissed since is believed until that list comes.
    pub fn believe_newer(&self, administration: Vec<Name>, since: Timestamp) {
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.0.trust.load();
        let newer = Some(Newer { administration, than: since.as_milliseconds() / 1000 });
        let (verifiers, admitted) = (old.verifiers.clone(), old.admitted.clone());
        self.0.trust.store(Arc::new(Trust { verifiers, admitted, newer }));
    }

    /// Believes chains to exactly these roots (PEM) from now on.
    ///
    /// # Errors
    /// When one of them cannot be used; the old ones then stay.
    pub fn set_roots(&self, pem: &[String]) -> Result<(), IdentityError> {
        let verifiers = verifier::Verifiers::new(roots(pem)?, &self.0.provider)?;
        let writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.0.trust.load();
        let (admitted, newer) = (old.admitted.clone(), old.newer.clone());
        self.0.trust.store(Arc::new(Trust { verifiers, admitted, newer }));
        drop(writing);
        self.0.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Whether the peer with this certificate is believed at present.
    #[must_use]
    pub fn admits(&self, certificate: &PeerCertificate) -> bool {
        self.0.trust.load().admits(certificate)
    }

    /// Tells of every change of roots or admitted list.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// A new key, and the request for a certificate of this instance with it.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn request(&self) -> Result<CertificateRequest, IdentityError> {
        CertificateRequest::make(&self.0.me)
    }

    /// TLS for the internal listener: peers must come with an admitted certificate. An expired one
    /// passes on administration only, marked so that it may do nothing but renew.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let client = verifier::ClientVerifier::new(Arc::clone(&self.0.trust), self.0.accept_expired);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(client))
            .with_cert_resolver(Arc::clone(&self.0.own) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Every handshake must pass the admitted list: nothing is resumed.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// TLS towards one peer: it must be that peer, and be admitted.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client_config(&self, peer: &Peer) -> Result<Arc<ClientConfig>, IdentityError> {
        let server = verifier::ServerVerifier::new(Arc::clone(&self.0.trust), peer.clone());
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(server))
            .with_client_cert_resolver(Arc::clone(&self.0.own) as _);
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn roots(pem: &[String]) -> Result<Arc<RootCertStore>, IdentityError> {
    let mut store = RootCertStore::empty();
    for text in pem {
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate =
                certificate.map_err(|source| IdentityError::Pem { what: "identity root", source })?;
            store.add(certificate).map_err(|source| IdentityError::Certificate {
                what: "identity root",
                source: source.into(),
            })?;
        }
    }
    if store.is_empty() { Err(IdentityError::NoRoots) } else { Ok(Arc::new(store)) }
}

#[cfg(test)]
mod tests;
