//! Follows the revocation log of policy, so that a revoked session is refused here within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use evergate_model::Timestamp;
use evergate_process::Clock;
use futures_util::StreamExt;
use tokio::sync::watch;

use super::policy::{LogStep, LogStream, Policy};
use super::sessions::Sessions;

/// Policy sends a beat every 250 ms; a stream that says nothing for so long is silent.
const SILENCE: Duration = Duration::from_secs(1);
/// Between two attempts to open the stream.
const PAUSE: Duration = Duration::from_millis(100);

/// How far this access point has followed the log, and whether it still hears it.
#[derive(Debug)]
pub(crate) struct Log {
    position: watch::Sender<i64>,
    heard_at: AtomicI64,
}

impl Default for Log {
    fn default() -> Self {
        Self { position: watch::Sender::new(0), heard_at: AtomicI64::new(i64::MIN) }
    }
}

impl Log {
    /// The position up to which revocations are known here.
    #[must_use]
    pub(crate) fn position(&self) -> i64 {
        *self.position.borrow()
    }

    /// Waits until revocations are known up to `position`, at most until everyone has heard of them.
    pub(crate) async fn reach(&self, position: i64) {
        let mut following = self.position.subscribe();
        let reached = following.wait_for(|known| *known >= position);
        _ = tokio::time::timeout(SILENCE, reached).await;
    }

    /// Whether the stream has been silent for a second.
    #[must_use]
    pub(crate) fn is_silent(&self, now: Timestamp) -> bool {
        let heard_at = Timestamp::from_milliseconds(self.heard_at.load(Ordering::Relaxed));
        now.since(heard_at) > SILENCE
    }

    /// Takes a step: its revocations first, then the position that says they are known. A stale step
    /// does not break the silence: there may be more than it tells.
    pub(crate) fn take(&self, step: LogStep, sessions: &Sessions, now: Timestamp) {
        for revocation in step.revocations {
            tracing::info!(session = %revocation.session, "session revoked");
            sessions.end(revocation);
        }
        self.position.send_if_modified(|known| {
            let is_news = step.position > *known;
            *known = step.position.max(*known);
            is_news
        });
        if !step.is_stale {
            self.heard_at.store(now.as_milliseconds(), Ordering::Relaxed);
        }
    }
}

/// Follows until dropped: reopens the stream when it breaks, and at another instance when it falls
/// silent, be the silent one alive or not.
pub(crate) async fn follow(policy: Arc<dyn Policy>, log: Arc<Log>, sessions: Arc<Sessions>, clock: Clock) {
    let mut avoided = None;
    loop {
        match policy.follow_revocations(log.position(), avoided.take()).await {
            Ok(stream) => {
                let from = stream.from.clone();
                if read(stream, &log, &sessions, &clock).await == End::Silent {
                    tracing::info!(instance = %from, "the revocation log is silent; following another instance");
                    avoided = Some(from);
                    continue;
                }
            }
            Err(error) => tracing::debug!(%error, "the revocation log cannot be followed"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Broken,
    Silent,
}

async fn read(mut stream: LogStream, log: &Log, sessions: &Sessions, clock: &Clock) -> End {
    loop {
        match tokio::time::timeout(SILENCE, stream.steps.next()).await {
            Ok(Some(step)) => log.take(step, sessions, clock.now()),
            Ok(None) => return End::Broken,
            Err(_) => return End::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use evergate_model::Id;

    use super::super::sessions::Revocation;
    use super::*;

    #[test]
    fn a_log_is_silent_until_it_is_heard_and_a_second_later_again() {
        let (log, sessions) = (Log::default(), Sessions::default());
        let at = Timestamp::from_milliseconds;
        assert!(log.is_silent(at(5000)));
        let session = Id::new(at(1), [1; 10]);
        let life = sessions.life(session);
        let revocations = vec![Revocation { session, forget_at: at(9000) }];
        log.take(LogStep { revocations, position: 7, is_stale: false }, &sessions, at(5000));
        assert!(life.has_ended() && log.position() == 7);
        assert!(!log.is_silent(at(6000)) && log.is_silent(at(6001)));
        log.take(LogStep { revocations: Vec::new(), position: 3, is_stale: false }, &sessions, at(6001));
        assert_eq!(log.position(), 7, "an instance that lies behind takes nothing back");
    }

    #[test]
    fn what_an_instance_without_the_database_tells_binds_and_does_not_count_as_heard() {
        let (log, sessions) = (Log::default(), Sessions::default());
        let at = Timestamp::from_milliseconds;
        let session = Id::new(at(1), [1; 10]);
        let life = sessions.life(session);
        let revocations = vec![Revocation { session, forget_at: at(9000) }];
        log.take(LogStep { revocations, position: 7, is_stale: true }, &sessions, at(5000));
        assert!(life.has_ended() && log.position() == 7);
        assert!(log.is_silent(at(5000)));
    }
}
