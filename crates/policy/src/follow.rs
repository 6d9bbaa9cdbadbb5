//! `FollowRevocations`: the numbered log, from a position on, with a beat that says that silence
//! means nothing.

use std::pin::Pin;
use std::time::Duration;

use evergate_store::revocations::Revocation;
use evergate_wire::proto::{self, RevocationBatch};
use futures_util::{Stream, stream};
use tonic::Status;

use crate::policy::Policy;

/// How often a batch without entries is sent.
const BEAT: Duration = Duration::from_millis(250);

/// The stream that a follower is answered with.
pub(crate) type Batches = Pin<Box<dyn Stream<Item = Result<RevocationBatch, Status>> + Send>>;

struct Follower {
    policy: Policy,
    changes: tokio::sync::watch::Receiver<u64>,
    after: u64,
    is_first: bool,
}

/// What comes after `after`, now and from now on; ends when the process stops. While the database
/// is away there are no beats, and what is known is sent as stale: this instance would not hear of a
/// revocation.
pub(crate) fn follow(policy: &Policy, after: i64) -> Batches {
    let follower = Follower {
        policy: policy.clone(),
        changes: policy.0.log.follow(),
        after: u64::try_from(after).unwrap_or(0),
        is_first: true,
    };
    Box::pin(stream::unfold(follower, |mut follower| async move {
        let batch = follower.next().await?;
        Some((Ok(batch), follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<RevocationBatch> {
        loop {
            self.changes.borrow_and_update();
            let (entries, position) = self.policy.0.log.after(self.after);
            let has_news = position > self.after || std::mem::take(&mut self.is_first);
            self.after = position;
            if has_news {
                return Some(self.batch(&entries, position));
            }
            tokio::select! {
                () = self.policy.0.lifecycle.stopping() => return None,
                changed = self.changes.changed() => changed.ok()?,
                () = tokio::time::sleep(BEAT) => {
                    if self.policy.0.log.is_fresh() {
                        return Some(self.batch(&[], self.policy.0.log.position()));
                    }
                }
            }
        }
    }

    fn batch(&self, entries: &[Revocation], position: u64) -> RevocationBatch {
        let revocation = |entry: &Revocation| proto::Revocation {
            number: signed(entry.number),
            session: entry.session.to_string(),
            forget_at: entry.forget_at.as_milliseconds(),
        };
        RevocationBatch {
            revocations: entries.iter().map(revocation).collect(),
            position: signed(position),
            is_stale: !self.policy.0.log.is_fresh(),
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
