//! A policy service that says what a test tells it to.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use evergate_model::id::{Request, Session};
use evergate_model::{Host, Id, Name, Reads, Timestamp};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::decide::policy::{
    Answer, AnswerVerdict, Denial, LogStep, LogStream, NoAnswer, Policy, Presence, Question, Redeemed, User,
};
use crate::decide::sessions::Revocation;

/// What it says, and what it was asked.
pub(crate) struct ToldPolicy {
    pub(crate) says: Mutex<Result<Answer, NoAnswer>>,
    pub(crate) asked: AtomicU32,
    /// Questions pass while there are permits.
    pub(crate) gate: Arc<Semaphore>,
    /// What its instances are taken to be.
    pub(crate) presence: Mutex<Presence>,
    pub(crate) log: watch::Sender<LogStep>,
    /// Ends the streams that stand, by being sent to.
    broken: watch::Sender<()>,
    /// The instances whose revocation log says nothing.
    pub(crate) silent: Mutex<Vec<&'static str>>,
    /// From whom the log was followed, in order.
    pub(crate) followed: Mutex<Vec<&'static str>>,
    pub(crate) audited: Mutex<Vec<Denial>>,
    pub(crate) redeemed: Mutex<Vec<(String, String, Vec<u8>)>>,
    pub(crate) ended: Mutex<Vec<String>>,
    /// The position that the end of a session gets.
    pub(crate) ends_at: AtomicI64,
    pub(crate) active: Mutex<Vec<Id<Session>>>,
}

impl Default for ToldPolicy {
    fn default() -> Self {
        Self {
            says: Mutex::new(Ok(permit(Reads::default()))),
            asked: AtomicU32::new(0),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            presence: Mutex::new(Presence::Serving),
            log: watch::Sender::new(LogStep { revocations: Vec::new(), position: 0, is_stale: false }),
            broken: watch::Sender::new(()),
            silent: Mutex::default(),
            followed: Mutex::default(),
            audited: Mutex::default(),
            redeemed: Mutex::default(),
            ended: Mutex::default(),
            ends_at: AtomicI64::new(0),
            active: Mutex::default(),
        }
    }
}

/// "Yes: it is alice."
pub(crate) fn permit(reads: Reads) -> Answer {
    let user = User {
        session: None,
        name: "alice".to_owned(),
        email: "alice@example.com".to_owned(),
        groups: vec!["staff".to_owned(), "admins".to_owned()],
        pseudonym: "p-1".to_owned(),
        assertion: "a.b.c".to_owned(),
    };
    answer(AnswerVerdict::Permit(Arc::new(user)), reads)
}

pub(crate) fn answer(verdict: AnswerVerdict, reads: Reads) -> Answer {
    Answer { verdict, reads, valid_until: Timestamp::MAX, log_position: 0, version: 1 }
}

impl ToldPolicy {
    pub(crate) fn say(&self, outcome: Result<Answer, NoAnswer>) {
        *self.says.lock().unwrap() = outcome;
    }

    pub(crate) fn go_away(&self) {
        self.say(Err(NoAnswer::Away("told to".to_owned())));
    }

    pub(crate) fn be(&self, presence: Presence) {
        *self.presence.lock().unwrap() = presence;
    }

    /// From now on takes questions and answers none.
    pub(crate) fn hang(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Answers all that it was asked, and asked from now on.
    pub(crate) fn wake(&self) {
        self.gate.add_permits(1 << 20);
    }

    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Ends the revocation streams that stand.
    pub(crate) fn break_log(&self) {
        self.broken.send_replace(());
    }

    pub(crate) fn revoke(&self, session: Id<Session>) {
        self.log.send_modify(|step| {
            step.position += 1;
            step.revocations.push(Revocation { session, forget_at: Timestamp::MAX });
        });
    }
}

impl Policy for ToldPolicy {
    fn decide(&self, _: Question, _: Duration) -> BoxFuture<'static, Result<Answer, NoAnswer>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (says, gate) = (self.says.lock().unwrap().clone(), Arc::clone(&self.gate));
        Box::pin(async move {
            drop(gate.acquire().await.unwrap());
            says
        })
    }

    fn redeem(
        &self,
        _: Id<Request>,
        hand_over: String,
        host: Host,
        nonce: Vec<u8>,
    ) -> BoxFuture<'static, Result<Redeemed, NoAnswer>> {
        let is_good = hand_over == "handover_1";
        self.redeemed.lock().unwrap().push((hand_over, host.to_string(), nonce));
        Box::pin(async move {
            if is_good {
                Ok(Redeemed { token: "v1.token".to_owned() })
            } else {
                Err(NoAnswer::Refused("used".to_owned()))
            }
        })
    }

    fn end_session(&self, token: String, _: Host) -> BoxFuture<'static, Result<i64, NoAnswer>> {
        self.ended.lock().unwrap().push(token);
        let position = self.ends_at.load(Ordering::SeqCst);
        Box::pin(async move { Ok(position) })
    }

    fn presence(&self) -> Presence {
        *self.presence.lock().unwrap()
    }

    /// All of the log at each change, and a beat besides: of the first of two instances that is not
    /// avoided.
    fn follow_revocations(
        &self,
        _: i64,
        avoided: Option<Name>,
    ) -> BoxFuture<'static, Result<LogStream, NoAnswer>> {
        let is_avoided = |name: &str| avoided.as_ref().is_some_and(|avoided| avoided.as_str() == name);
        let from = if is_avoided("policy1") { "policy2" } else { "policy1" };
        self.followed.lock().unwrap().push(from);
        let is_silent = self.silent.lock().unwrap().contains(&from);
        let log = self.log.subscribe();
        let steps = futures_util::stream::unfold((log, true), |(mut log, is_first)| async move {
            if !is_first {
                let changed = tokio::time::timeout(Duration::from_millis(250), log.changed()).await;
                if let Ok(Err(_)) = changed {
                    return None;
                }
            }
            let step = log.borrow_and_update().clone();
            Some((step, (log, false)))
        });
        let mut broken = self.broken.subscribe();
        let until_broken = async move { drop(broken.changed().await) };
        let steps = if is_silent { futures_util::stream::pending().boxed() } else { steps.boxed() };
        let steps = steps.take_until(until_broken).boxed();
        Box::pin(async move { Ok(LogStream { from: from.parse().unwrap(), steps }) })
    }

    fn report_activity(
        &self,
        activities: Vec<(Id<Session>, Timestamp)>,
    ) -> BoxFuture<'static, Result<(), NoAnswer>> {
        self.active.lock().unwrap().extend(activities.into_iter().map(|(session, _)| session));
        Box::pin(async { Ok(()) })
    }

    fn record_audit(&self, denials: Vec<Denial>) -> BoxFuture<'static, Result<(), NoAnswer>> {
        self.audited.lock().unwrap().extend(denials);
        Box::pin(async { Ok(()) })
    }
}
