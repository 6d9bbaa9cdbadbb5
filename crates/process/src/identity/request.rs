//! A certificate request: the key is made here and never leaves the instance.

use evergate_model::Secret;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};

use super::IdentityError;
use super::peer::Peer;

/// A new key and the request for its certificate.
#[derive(Debug)]
pub struct CertificateRequest {
    /// The key, PEM (PKCS #8).
    pub key: Secret<String>,
    /// The request, PEM (PKCS #10, RFC 2986).
    pub request: String,
}

impl CertificateRequest {
    pub(super) fn make(me: &Peer) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut parameters = CertificateParams::new(vec![me.dns_name()])?;
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, me.dns_name());
        let request = parameters.serialize_request(&key)?.pem()?;
        Ok(Self { key: Secret::new(key.serialize_pem()), request })
    }
}
