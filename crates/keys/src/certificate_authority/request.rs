//! What an instance makes to be given a certificate: its own key, and a request signed by it.

use evergate_model::Secret;
use rcgen::CertificateParams;

use super::{CertificateError, new_key};

/// A key and the request for its certificate.
#[derive(Debug, Clone)]
pub struct InstanceRequest {
    /// The signing request (RFC 2986), PEM.
    pub request: String,
    /// The key, PEM (PKCS #8): it stays with the instance.
    pub key: Secret<String>,
}

/// A new key with its request. The request names nobody: the authority decides whom it certifies.
///
/// # Errors
/// When no key can be made.
pub fn request() -> Result<InstanceRequest, CertificateError> {
    let key = new_key()?;
    let request = CertificateParams::default().serialize_request(&key).map_err(CertificateError::Issue)?;
    let request = request.pem().map_err(CertificateError::Issue)?;
    Ok(InstanceRequest { request, key: Secret::new(key.serialize_pem()) })
}
