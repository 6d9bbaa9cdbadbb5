//! Follows the snapshots that administration sends, and fetches internal keys when theirs are
//! another generation. The next round is the retry.

use std::time::Duration;

use evergate_failover::shell::CallOptions;
use evergate_model::Service;
use evergate_process::Instance;
use evergate_process::telemetry::chain;
use tonic::Streaming;

use super::Joined;
use crate::feed::FeedError;
use crate::proto::{FetchKeysRequest, FollowSnapshotsRequest, SnapshotMessage};

/// Administration sends a beat every second; a stream that is silent for so long is left.
const SILENCE: Duration = Duration::from_secs(3);
/// Between two attempts when no administration instance answers.
const PAUSE: Duration = Duration::from_millis(250);

/// Gives the pools the instances of each new snapshot.
pub(super) async fn follow_topology(joined: Joined) {
    let mut snapshots = joined.feed.snapshots();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            joined.peers.follow(&snapshot.topology);
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

/// Follows until the process stops.
pub(super) async fn follow(instance: Instance, joined: Joined) {
    let mut is_reachable = true;
    loop {
        match open(&joined).await {
            Ok(stream) => {
                is_reachable = true;
                read(&instance, &joined, stream).await;
            }
            Err(error) => {
                if std::mem::replace(&mut is_reachable, false) {
                    tracing::warn!(%error, "no administration instance answers; going on with the last snapshot");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn open(joined: &Joined) -> Result<Streaming<SnapshotMessage>, crate::peers::PeerError> {
    let (epoch, revision) =
        joined.feed.snapshot().map_or((0, 0), |snapshot| (snapshot.head.epoch, snapshot.head.revision));
    let request = FollowSnapshotsRequest { epoch, revision };
    joined
        .peers
        .administration(
            CallOptions::READ,
            move |mut client| async move { client.follow_snapshots(request).await },
        )
        .await
}

async fn read(instance: &Instance, joined: &Joined, mut stream: Streaming<SnapshotMessage>) {
    loop {
        let message = match tokio::time::timeout(SILENCE, stream.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => return,
            Ok(Err(status)) => {
                tracing::debug!(%status, "the snapshot stream broke");
                return;
            }
            Err(_) => {
                tracing::debug!("the snapshot stream fell silent");
                return;
            }
        };
        if !message.envelope.is_empty() {
            match joined.feed.accept(&message.envelope) {
                Ok(_) => instance.readiness.clear("snapshot"),
                Err(FeedError::Refused(evergate_tokens::snapshot::SnapshotError::NotNewer { .. })) => {}
                Err(error) => {
                    tracing::error!(error = %chain(&error), "snapshot refused; going on with the last one");
                    instance.readiness.degraded("snapshot", "the latest snapshot was refused");
                }
            }
        }
        if has_keys(instance) && message.key_generation != joined.feed.key_generation() {
            fetch_keys(joined).await;
        }
    }
}

fn has_keys(instance: &Instance) -> bool {
    instance.bootstrap.service != Service::AccessPoint
}

async fn fetch_keys(joined: &Joined) {
    let fetched = joined
        .peers
        .administration(CallOptions::READ, |mut client| async move {
            client.fetch_keys(FetchKeysRequest {}).await
        })
        .await;
    match fetched {
        Ok(reply) => {
            if let Err(error) = joined.feed.accept_keys(&reply.bundle) {
                tracing::error!(error = %chain(&error), "key bundle refused; going on with the last one");
            }
        }
        Err(error) => tracing::warn!(%error, "internal keys could not be fetched"),
    }
}
