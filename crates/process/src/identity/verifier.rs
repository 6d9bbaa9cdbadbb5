//! The two sides of mutual TLS: chain, name and admitted list, in that order.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::peer::{Peer, PeerCertificate};
use super::{IdentityError, Trust};

/// The verifiers of chains, built from one set of roots.
#[derive(Debug, Clone)]
pub(super) struct Verifiers {
    client: Arc<dyn ClientCertVerifier>,
    server: Arc<WebPkiServerVerifier>,
}

impl Verifiers {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, IdentityError> {
        let wrong = |source: rustls::client::VerifierBuilderError| IdentityError::Certificate {
            what: "identity root",
            source: source.into(),
        };
        let client =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider)).build();
        let server = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
        Ok(Self { client: client.map_err(wrong)?, server: server.map_err(wrong)? })
    }
}

fn not_admitted() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// Reads who a leaf names and asks whether it is admitted.
fn admitted(trust: &Trust, leaf: &CertificateDer<'_>) -> Result<PeerCertificate, Error> {
    let certificate =
        PeerCertificate::read(leaf).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    if trust.admits(&certificate) { Ok(certificate) } else { Err(not_admitted()) }
}

/// Verifies callers.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    trust: Arc<ArcSwap<Trust>>,
    accept_expired: bool,
}

impl ClientVerifier {
    pub(super) fn new(trust: Arc<ArcSwap<Trust>>, accept_expired: bool) -> Self {
        Self { trust, accept_expired }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: an instance has one certificate, and roots may change under a connection.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let trust = self.trust.load();
        let certificate = admitted(&trust, leaf)?;
        let end = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            u64::try_from(certificate.not_after).unwrap_or(0),
        ));
        let judged_at = if self.accept_expired && end < now { end } else { now };
        trust.verifiers.client.verify_client_cert(leaf, intermediates, judged_at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.load().verifiers.client.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.load().verifiers.client.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.load().verifiers.client.supported_verify_schemes()
    }
}

/// Verifies the one peer that is called.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Arc<ArcSwap<Trust>>,
    peer: Peer,
}

impl ServerVerifier {
    pub(super) fn new(trust: Arc<ArcSwap<Trust>>, peer: Peer) -> Self {
        Self { trust, peer }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let trust = self.trust.load();
        let certificate = admitted(&trust, leaf)?;
        if certificate.peer != self.peer {
            return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        trust.verifiers.server.verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.load().verifiers.server.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.load().verifiers.server.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.load().verifiers.server.supported_verify_schemes()
    }
}
