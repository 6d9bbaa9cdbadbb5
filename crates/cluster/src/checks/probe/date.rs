//! What time it is on another machine, by the `Date` of its console's answers (RFC 9110 section 6.6.1): whoever asks
//! without a session is refused, and told the time.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evergate_model::Timestamp;
use evergate_process::Clock;
use evergate_process::identity::provider;
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::fmt::rfc2822::DateTimeParser;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// For connecting, TLS and the answer together.
const LIMIT: Duration = Duration::from_secs(4);
/// The date has whole seconds: on average half of one has passed.
const HALF_A_SECOND: i64 = 500;
/// No date is longer, in bytes.
const LONGEST: usize = 64;
/// No head of an answer is longer, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// How one clock stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Milliseconds by which this one is ahead.
    pub ahead: i64,
    /// So many milliseconds the other way, too.
    pub within: u64,
}

/// Asks for the time at a port that speaks HTTPS. With a CA (PEM) only a certificate of it is believed; without one
/// anybody is, which is good for a hint: nothing is said to whoever answers.
///
/// # Errors
/// When nobody answers with a date.
pub async fn ask_time(to: SocketAddr, ca: Option<&[u8]>, clock: &Clock) -> Result<Asked, Error> {
    let asking = async {
        let name = ServerName::IpAddress(to.ip().into());
        let tls = TlsConnector::from(Arc::new(configuration(ca)?));
        let stream = tls.connect(name, TcpStream::connect(to).await?).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::other)?;
        let request = Request::get("/").header(header::HOST, to.to_string()).body(Empty::<Bytes>::new());
        let (begun, now) = (Instant::now(), clock.now());
        let mut answering = std::pin::pin!(sender.send_request(request.map_err(Error::other)?));
        let answer = tokio::select! {
            answer = &mut answering => answer,
            // It may end with the answer.
            ended = connection => {
                ended.map_err(Error::other)?;
                answering.await
            }
        };
        let answer = answer.map_err(Error::other)?;
        let took = begun.elapsed();
        let date = answer.headers().get(header::DATE).map(header::HeaderValue::as_bytes);
        let there = date.and_then(moment).ok_or(ErrorKind::InvalidData)?;
        Ok(compared(now, took, there))
    };
    timeout(LIMIT, asking).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
}

/// The moment that a date says.
fn moment(date: &[u8]) -> Option<Timestamp> {
    if date.len() > LONGEST {
        return None;
    }
    let parsed = DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(Timestamp::from_milliseconds(parsed.as_millisecond()))
}

/// `now` is when it was asked, `took` how long until the answer was there.
fn compared(now: Timestamp, took: Duration, there: Timestamp) -> Asked {
    let half = i64::try_from(took.as_millis() / 2).unwrap_or(i64::MAX);
    let here = now.as_milliseconds().saturating_add(half);
    let there = there.as_milliseconds().saturating_add(HALF_A_SECOND);
    let within = half.saturating_add(HALF_A_SECOND).unsigned_abs();
    Asked { ahead: here.saturating_sub(there), within }
}

fn configuration(ca: Option<&[u8]>) -> Result<ClientConfig, Error> {
    let bad = |error: &dyn std::fmt::Display| Error::new(ErrorKind::InvalidInput, error.to_string());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?;
    let mut config = match ca {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| bad(&error))?;
                roots.add(certificate).map_err(|error| bad(&error))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider())))
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Believes every certificate: a machine that has not joined knows no CA.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
