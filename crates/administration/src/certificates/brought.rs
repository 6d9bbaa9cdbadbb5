//! Certificates that administrators bring along: read, and checked to be what they are said to be.

use evergate_model::configuration::CertificateFiles;
use evergate_model::{Host, Secret, Timestamp};
use evergate_process::identity;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::configuration::Problem;

/// A certificate with its key, as read.
pub(super) struct Brought {
    pub(super) file: String,
    pub(super) hosts: Vec<Host>,
    pub(super) chain: String,
    pub(super) key: Secret<String>,
    pub(super) not_after: Timestamp,
}

/// Reads all of them.
pub(super) fn read_all(files: &[CertificateFiles]) -> Result<Vec<Brought>, Vec<Problem>> {
    let mut problems = Vec::new();
    let read = files.iter().enumerate().filter_map(|(number, files)| {
        read(files)
            .map_err(|(field, why)| {
                problems.push(Problem::new(format!("certificates[{number}].{field}"), why));
            })
            .ok()
    });
    let all: Vec<Brought> = read.collect();
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

type Wrong = (&'static str, String);

fn read(files: &CertificateFiles) -> Result<Brought, Wrong> {
    let chain = text("file", &files.file)?;
    let key = Secret::new(text("key_file", &files.key_file)?);
    let certificates = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ("file", format!("`{}` is not PEM: {error}", files.file)))?;
    let leaf = certificates
        .first()
        .ok_or_else(|| ("file", format!("`{}` holds no certificate", files.file)))?
        .clone();
    let key_der = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
        .map_err(|error| ("key_file", format!("`{}` is no private key: {error}", files.key_file)))?;
    CertifiedKey::from_der(certificates, key_der, &identity::provider()).map_err(|error| {
        ("key_file", format!("`{}` does not belong to the certificate: {error}", files.key_file))
    })?;
    covers(&leaf, files)?;
    let not_after = not_after(&leaf).ok_or_else(|| ("file", format!("`{}` cannot be read", files.file)))?;
    Ok(Brought { file: files.file.clone(), hosts: files.hosts.clone(), chain, key, not_after })
}

fn text(field: &'static str, path: &str) -> Result<String, Wrong> {
    std::fs::read_to_string(path).map_err(|error| (field, format!("cannot read `{path}`: {error}")))
}

fn covers(leaf: &CertificateDer<'_>, files: &CertificateFiles) -> Result<(), Wrong> {
    let parsed = ParsedCertificate::try_from(leaf)
        .map_err(|error| ("file", format!("`{}` cannot be read: {error}", files.file)))?;
    for host in &files.hosts {
        let is_covered = ServerName::try_from(host.as_str())
            .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok());
        if !is_covered {
            return Err(("hosts", format!("`{}` is not for `{host}`", files.file)));
        }
    }
    Ok(())
}

fn not_after(leaf: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    Some(Timestamp::from_seconds(certificate.validity().not_after.timestamp()))
}
