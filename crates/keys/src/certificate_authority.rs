//! Certificate authorities: the identity CA, whose certificates instances show each other, and the
//! local CA, whose certificates browsers see. Two authorities of one make, never one key.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use evergate_model::{Host, Name, Secret, Service, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};

mod request;
mod validity;

pub use request::{InstanceRequest, request};

/// What the name in an instance's certificate ends in: `policy1.policy.evergate.internal`.
pub const DOMAIN: &str = "evergate.internal";
/// How long an instance's certificate holds, in days; it is renewed at half of that.
pub const INSTANCE_DAYS: u64 = 30;
/// How long a certificate for browsers holds, in days: less than the 397 that browsers bear.
pub const HOST_DAYS: u64 = 365;
/// How long an authority's own certificate holds, in days.
pub const AUTHORITY_DAYS: u64 = 3650;

/// An authority: a certificate and the key that signs under it.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    key: Secret<String>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// PEM; the authority's own certificate is not in it.
    pub chain: String,
    /// SHA-256 of the certificate's DER, hex: what snapshots admit.
    pub fingerprint: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A certificate with its key, made by the authority itself: for browsers only.
#[derive(Debug, Clone)]
pub struct IssuedPair {
    /// The certificate.
    pub certificate: Issued,
    /// The key, PEM (PKCS #8).
    pub key: Secret<String>,
}

/// Why a certificate could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The request is not a signing request, or is not signed by its own key.
    #[error("the certificate signing request is malformed")]
    Request(#[source] rcgen::Error),
    /// The authority's certificate or key cannot be read.
    #[error("the certificate authority's certificate or key is malformed")]
    Authority(#[source] rcgen::Error),
    /// Making it failed.
    #[error("the certificate could not be made")]
    Issue(#[source] rcgen::Error),
}

impl Authority {
    /// A new authority of this name.
    ///
    /// # Errors
    /// When no key can be made, or the name has no form in a certificate.
    pub fn generate(name: &str, now: Timestamp) -> Result<Self, CertificateError> {
        let key = new_key()?;
        let mut params = params(name, AUTHORITY_DAYS, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(CertificateError::Issue)?.pem();
        Self::from_pem(&certificate, &Secret::new(key.serialize_pem()))
    }

    /// The authority with this certificate and key, both PEM.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn from_pem(certificate: &str, key: &Secret<String>) -> Result<Self, CertificateError> {
        let pair = KeyPair::from_pem(key.expose()).map_err(CertificateError::Authority)?;
        let issuer = Issuer::from_ca_cert_pem(certificate, pair).map_err(CertificateError::Authority)?;
        Ok(Self { certificate: certificate.to_owned(), key: key.clone(), issuer })
    }

    /// Its own certificate, PEM: the root that others are told.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// Its key, PEM: to be wrapped.
    #[must_use]
    pub const fn key_pem(&self) -> &Secret<String> {
        &self.key
    }

    /// A certificate for an instance, by the request it made. Of the request only the key is
    /// used: what the certificate says is said by the caller, who knows whom it is talking to.
    ///
    /// # Errors
    /// When the request is malformed or not signed by its own key.
    pub fn issue_instance(
        &self,
        request_pem: &str,
        instance: &Name,
        service: Service,
        now: Timestamp,
    ) -> Result<Issued, CertificateError> {
        let request =
            CertificateSigningRequestParams::from_pem(request_pem).map_err(CertificateError::Request)?;
        let uses = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&request.public_key, &instance_name(instance, service), &uses, INSTANCE_DAYS, now)
    }

    /// A certificate with a new key for one host, for browsers.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn issue_host(&self, host: &Host, now: Timestamp) -> Result<IssuedPair, CertificateError> {
        let key = new_key()?;
        let uses = [ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = self.issue(&key, host.as_str(), &uses, HOST_DAYS, now)?;
        Ok(IssuedPair { certificate, key: Secret::new(key.serialize_pem()) })
    }

    fn issue(
        &self,
        public_key: &impl PublicKeyData,
        name: &str,
        uses: &[ExtendedKeyUsagePurpose],
        days: u64,
        now: Timestamp,
    ) -> Result<Issued, CertificateError> {
        let alternative = CertificateParams::new([name.to_owned()]).map_err(CertificateError::Issue)?;
        let mut params = params(name, days, now);
        params.subject_alt_names = alternative.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = uses.to_vec();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(public_key, &self.issuer).map_err(CertificateError::Issue)?;
        let expires_at = validity::end(now, days);
        Ok(Issued { chain: certificate.pem(), fingerprint: fingerprint(certificate.der()), expires_at })
    }
}

/// The name in an instance's certificate.
#[must_use]
pub fn instance_name(instance: &Name, service: Service) -> String {
    format!("{instance}.{service}.{DOMAIN}")
}

/// SHA-256 of a certificate's DER, hex.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, der).as_ref())
}

/// ECDSA P-256: what every browser and TLS library knows.
fn new_key() -> Result<KeyPair, CertificateError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Issue)
}

fn params(name: &str, days: u64, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // X.509's upper bound for a common name is 64 characters; the full name is the alternative one
    params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    params.serial_number = Some(validity::serial_number());
    validity::set(&mut params, now, days);
    params
}

#[cfg(test)]
mod tests;
