//! Renews this instance's certificate, with a key of its own making: at once where it still has the
//! one from the bootstrap file, later at half its life.

use std::time::Duration;

use evergate_failover::shell::CallOptions;
use evergate_model::Secret;
use evergate_process::identity::PeerCertificate;
use evergate_process::link::Link;
use evergate_process::{Instance, files};
use serde::{Deserialize, Serialize};

use super::Joined;
use crate::proto::RenewCertificateRequest;
use crate::proto::administration_client::AdministrationClient;

const CERTIFICATE_FILE: &str = "certificate.json";
/// How often it looks whether it is time.
const PERIOD: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(2);
/// The snapshot that admits a new certificate comes within a second (design.md section 6).
const ADMITTED_WITHIN: Duration = Duration::from_secs(10);
/// Instances tell what they have applied every second; one that is silent is not waited for.
const APPLIED_WITHIN: Duration = Duration::from_secs(10);

/// The certificate and key on disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    certificate: String,
    key: String,
}

/// Uses the certificate that an earlier run of this instance received, if it is there, good, and
/// newer than the one in the bootstrap file (which is made anew after a month of standing still).
pub fn install_stored(instance: &Instance) -> bool {
    let path = instance.data.join(CERTIFICATE_FILE);
    let Ok(bytes) = std::fs::read(&path) else { return false };
    let installed =
        serde_json::from_slice::<Stored>(&bytes).map_err(|error| error.to_string()).and_then(|stored| {
            instance
                .identity
                .replace_if_newer(&stored.certificate, &Secret::new(stored.key))
                .map_err(|error| error.to_string())
        });
    installed.unwrap_or_else(|error| {
        tracing::warn!(file = %path.display(), error, "certificate left aside");
        false
    })
}

/// Renews until the process stops, asking administration.
pub(super) async fn renew(instance: Instance, joined: Joined) {
    let is_own = install_stored(&instance);
    let peers = joined.peers.clone();
    let ask = move |signing_request: String| {
        let (peers, message) = (peers.clone(), RenewCertificateRequest { signing_request });
        async move {
            let call = |mut client: AdministrationClient<Link>| {
                let message = message.clone();
                async move { client.renew_certificate(message).await }
            };
            // Made again, it answers the same certificate.
            let reply = peers.administration(CallOptions::WRITE, call).await;
            reply.map(|reply| reply.certificate).map_err(|error| error.to_string())
        }
    };
    renew_by(instance, joined, is_own, ask).await;
}

/// Renews until the process stops: at once unless the certificate `is_own` (of a key that this
/// instance made), then at half its life. `ask` is given a signing request and answers a
/// certificate that is admitted; the same request may be given to it again.
pub async fn renew_by<F, Fut>(instance: Instance, joined: Joined, is_own: bool, ask: F)
where
    F: Fn(String) -> Fut + Send,
    Fut: Future<Output = Result<String, String>> + Send,
{
    let mut is_own = is_own;
    joined.feed.first_snapshot().await;
    loop {
        let own = instance.identity.own();
        let half_life = own.not_before.plus(own.not_after.since(own.not_before) / 2);
        let pause = if is_own && instance.clock.now() < half_life {
            PERIOD
        } else {
            match renew_once(&instance, &joined, &ask).await {
                Ok(()) => {
                    is_own = true;
                    PERIOD
                }
                Err(error) => {
                    tracing::warn!(error, "the certificate could not be renewed");
                    RETRY
                }
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn renew_once<F, Fut>(instance: &Instance, joined: &Joined, ask: &F) -> Result<(), String>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    let request = instance.identity.request().map_err(|error| error.to_string())?;
    let certificate = ask(request.request.clone()).await?;
    // Peers believe the new certificate once their own snapshot lists it, so the old one is used until
    // administration has heard from all of them that it does.
    if !is_expired(instance) {
        wait_until_admitted(instance, joined, &certificate).await?;
    }
    instance.identity.replace(&certificate, &request.key).map_err(|error| error.to_string())?;
    let stored = Stored { certificate, key: request.key.expose().clone() };
    let bytes = serde_json::to_vec(&stored).map_err(|error| error.to_string())?;
    files::write_private(&instance.data.join(CERTIFICATE_FILE), &bytes).map_err(|error| error.to_string())?;
    tracing::info!("certificate renewed");
    Ok(())
}

/// Whether nobody takes the present certificate any more, so that there is nothing to wait for.
fn is_expired(instance: &Instance) -> bool {
    instance.identity.own().not_after < instance.clock.now()
}

/// Waits until the snapshots in force, ours and everybody's, list the certificate.
async fn wait_until_admitted(instance: &Instance, joined: &Joined, certificate: &str) -> Result<(), String> {
    let sha256 =
        PeerCertificate::read_pem(certificate).ok_or("the new certificate names no instance")?.sha256;
    let me = &instance.bootstrap.instance;
    let mut snapshots = joined.feed.snapshots();
    let admitted = snapshots.wait_for(|snapshot| {
        snapshot.as_ref().is_some_and(|snapshot| {
            snapshot
                .admitted
                .iter()
                .any(|entry| entry.instance == *me && entry.certificates.contains(&sha256))
        })
    });
    let revision = match tokio::time::timeout(ADMITTED_WITHIN, admitted).await {
        Ok(Ok(snapshot)) => snapshot.as_ref().map_or(0, |snapshot| snapshot.head.revision),
        _ => return Err("administration did not admit the new certificate in time".to_owned()),
    };
    if !joined.applied.reach(revision, APPLIED_WITHIN).await {
        // Whoever lags so far refuses more than this certificate; waiting would not help them.
        tracing::warn!(
            revision,
            "not every instance has told that it knows the new certificate; it is used all the same"
        );
    }
    Ok(())
}
