//! The sessions that this access point has seen, so that a revocation ends everything that stands
//! on one of them: permits at once, streams and WebSockets within the same moment.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use evergate_model::Timestamp;
use evergate_model::id::{Id, Session};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The life of one session, as far as this access point has heard.
#[derive(Debug, Clone)]
pub(crate) struct Life(Arc<CancellationToken>);

impl Life {
    /// Whether the session is known to have ended.
    #[must_use]
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Resolves when the session ends.
    pub(crate) async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// What ties a stream to the session.
    #[must_use]
    pub(crate) fn tether(&self) -> Tether {
        Tether { life: self.clone(), waiting: None }
    }
}

/// Ties a stream to a session.
#[derive(Debug)]
pub(crate) struct Tether {
    life: Life,
    waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Tether {
    /// Whether the session has ended.
    #[must_use]
    pub(crate) fn is_cut(&self) -> bool {
        self.life.has_ended()
    }

    /// Ready when the session ends.
    pub(crate) fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let life = &self.life;
        self.waiting
            .get_or_insert_with(|| Box::pin(CancellationToken::clone(&life.0).cancelled_owned()))
            .as_mut()
            .poll(context)
    }
}

/// A revocation, as the log tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revocation {
    /// The session that ended.
    pub(crate) session: Id<Session>,
    /// Every token of it has expired then.
    pub(crate) forget_at: Timestamp,
}

/// The sessions seen, and the tombstones of those that were revoked.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    lives: BTreeMap<Id<Session>, Weak<CancellationToken>>,
    tombstones: BTreeMap<Id<Session>, Timestamp>,
    tidy_at: usize,
}

/// The number of entries from which on dead ones are looked for.
const TIDY_FROM: usize = 1024;

impl Sessions {
    /// The life of a session: ended already, if it has a tombstone.
    #[must_use]
    pub(crate) fn life(&self, session: Id<Session>) -> Life {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(life) = seen.lives.get(&session).and_then(Weak::upgrade) {
            return Life(life);
        }
        let life = Arc::new(CancellationToken::new());
        if seen.tombstones.contains_key(&session) {
            life.cancel();
        } else {
            seen.lives.insert(session, Arc::downgrade(&life));
            seen.tidy();
        }
        Life(life)
    }

    /// Ends a session; the tombstone stays until its tokens have expired.
    pub(crate) fn end(&self, revocation: Revocation) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.tombstones.insert(revocation.session, revocation.forget_at);
        let life = seen.lives.remove(&revocation.session).and_then(|life| life.upgrade());
        drop(seen);
        if let Some(life) = life {
            life.cancel();
        }
    }

    /// Forgets tombstones that are no longer needed.
    pub(crate) fn forget(&self, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.tombstones.retain(|_, forget_at| *forget_at > now);
    }
}

impl Seen {
    /// Drops the entries of sessions that nothing stands on, each time they have doubled.
    fn tidy(&mut self) {
        if self.lives.len() >= self.tidy_at.max(TIDY_FROM) {
            self.lives.retain(|_, life| life.strong_count() > 0);
            self.tidy_at = self.lives.len() * 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u8) -> Id<Session> {
        Id::new(Timestamp::from_seconds(1), [number; 10])
    }

    fn revocation(number: u8) -> Revocation {
        Revocation { session: session(number), forget_at: Timestamp::from_seconds(100) }
    }

    #[tokio::test]
    async fn a_revocation_ends_what_stands_on_the_session() {
        let sessions = Sessions::default();
        let (life, other) = (sessions.life(session(1)), sessions.life(session(2)));
        let mut tether = sessions.life(session(1)).tether();
        sessions.end(revocation(1));
        std::future::poll_fn(|context| tether.poll_cut(context)).await;
        assert!(life.has_ended() && tether.is_cut() && !other.has_ended());
    }

    #[test]
    fn a_session_seen_after_its_revocation_has_ended_until_its_tokens_have() {
        let sessions = Sessions::default();
        sessions.end(revocation(1));
        assert!(sessions.life(session(1)).has_ended());
        sessions.forget(Timestamp::from_seconds(99));
        assert!(sessions.life(session(1)).has_ended());
        sessions.forget(Timestamp::from_seconds(100));
        assert!(!sessions.life(session(1)).has_ended());
    }

    #[test]
    fn sessions_that_nothing_stands_on_are_forgotten() {
        let sessions = Sessions::default();
        for number in 0..5000_u32 {
            let mut random = [0; 10];
            random[..4].copy_from_slice(&number.to_be_bytes());
            drop(sessions.life(Id::new(Timestamp::from_seconds(1), random)));
        }
        assert!(sessions.0.lock().unwrap().lives.len() <= TIDY_FROM);
    }
}
