//! The stream of snapshots to one instance: what it lacks at once, then each new one, and a beat
//! every second so that silence means something.

use std::time::Duration;

use evergate_model::Service;
use evergate_wire::proto::SnapshotMessage;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Messages;
use crate::office::Office;
use crate::{Failure, publishing};

const BEAT: Duration = Duration::from_millis(900);

/// Follows for one instance of `audience` that has (`epoch`, `revision`).
pub(super) fn follow(office: Office, audience: Service, epoch: u64, revision: u64) -> Messages {
    let (sender, receiver) = mpsc::channel(2);
    let lifecycle = office.instance.lifecycle.clone();
    lifecycle.spawn_until_stop("send snapshots", async move {
        let mut follower = Follower { office, audience, epoch, revision };
        follower.send_all(&sender).await;
    });
    Box::pin(ReceiverStream::new(receiver))
}

struct Follower {
    office: Office,
    audience: Service,
    epoch: u64,
    revision: u64,
}

impl Follower {
    /// Until the other end is gone or the database fails; it then asks another instance.
    async fn send_all(&mut self, to: &mpsc::Sender<Result<SnapshotMessage, Status>>) {
        let mut heads = self.office.heads.clone();
        loop {
            heads.mark_unchanged();
            let message = self.next().await.map_err(Status::from);
            let is_over = message.is_err();
            if to.send(message).await.is_err() || is_over {
                return;
            }
            tokio::select! {
                changed = heads.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(BEAT) => {}
                () = to.closed() => return,
            }
        }
    }

    async fn next(&mut self) -> Result<SnapshotMessage, Failure> {
        let (epoch, revision, key_generation) = {
            let heads = self.office.heads.borrow();
            (heads.epoch, heads.revision, heads.generations.get(&self.audience).copied().unwrap_or(0))
        };
        if epoch > self.epoch {
            (self.epoch, self.revision) = (epoch, 0);
        }
        let mut envelope = Vec::new();
        if revision > self.revision {
            let mut reading = self.office.store.read().await?;
            let newer =
                publishing::newer_envelope(&mut reading, &self.office.vault, self.audience, self.revision)
                    .await?;
            if let Some((revision, bytes)) = newer {
                (self.revision, envelope) = (revision, bytes);
            }
        }
        Ok(SnapshotMessage { envelope: envelope.into(), key_generation })
    }
}
