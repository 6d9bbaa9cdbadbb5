//! The name in a certificate: `INSTANCE.SERVICE.evergate.internal`.

use evergate_model::{Name, Service};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const DOMAIN: &str = "evergate.internal";

/// An instance at the other end of a connection, verified. Internal requests carry it as an
/// extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub instance: Name,
    /// What it runs.
    pub service: Service,
    /// Its certificate has run out: it may ask for a new one and nothing else.
    pub expired: bool,
}

impl Peer {
    /// The peer with this name.
    #[must_use]
    pub const fn new(instance: Name, service: Service) -> Self {
        Self { instance, service, expired: false }
    }

    /// The name in its certificate.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}.{}.{DOMAIN}", self.instance, self.service)
    }

    /// The peer whose name in a certificate this is.
    #[must_use]
    pub fn from_dns_name(name: &str) -> Option<Self> {
        let (instance, service) = name.strip_suffix(DOMAIN)?.strip_suffix('.')?.split_once('.')?;
        Some(Self::new(instance.parse().ok()?, service.parse().ok()?))
    }
}

/// What a connection is judged by each time the admitted list changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Whom it names.
    pub peer: Peer,
    /// SHA-256 of its DER, hex.
    pub sha256: String,
    /// The first second (since the epoch) at which it is valid: when it was issued.
    pub not_before: i64,
    /// The last second (since the epoch) at which it is valid.
    pub not_after: i64,
}

impl PeerCertificate {
    /// Reads a leaf certificate; nothing where it names no peer, or more than one.
    #[must_use]
    pub fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let names = &parsed.subject_alternative_name().ok()??.value.general_names;
        let [GeneralName::DNSName(name)] = names.as_slice() else { return None };
        Some(Self {
            peer: Peer::from_dns_name(name)?,
            sha256: sha256(certificate),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        })
    }
}

impl PeerCertificate {
    /// Reads the first certificate of a PEM text; nothing where there is none that names a peer.
    #[must_use]
    pub fn read_pem(text: &str) -> Option<Self> {
        let certificate = CertificateDer::pem_slice_iter(text.as_bytes()).next()?.ok()?;
        Self::read(&certificate)
    }
}

/// SHA-256 (FIPS 180-4), hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    data_encoding::HEXLOWER.encode(digest.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_survives_its_name() {
        let peer = Peer::new("access-point1".parse().unwrap(), Service::AccessPoint);
        assert_eq!(peer.dns_name(), "access-point1.access-point.evergate.internal");
        assert_eq!(Peer::from_dns_name(&peer.dns_name()), Some(peer));
        for bad in [
            "",
            "evergate.internal",
            "a.evergate.internal",
            "a.policy.example.com",
            "a.b.policy.evergate.internal",
        ] {
            assert_eq!(Peer::from_dns_name(bad), None, "{bad}");
        }
    }
}
