//! A policy service that says what a test tells it to.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evergate_model::id::{Request, Session};
use evergate_model::{Host, Id, Reads, Timestamp};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::decide::policy::{
    Answer, AnswerVerdict, Denial, LogStep, LogStream, NoAnswer, Policy, Question, Redeemed, User,
};
use crate::decide::sessions::Revocation;

/// What it says, and what it was asked.
pub(crate) struct ToldPolicy {
    pub(crate) says: Mutex<Result<Answer, NoAnswer>>,
    pub(crate) asked: AtomicU32,
    /// Questions pass while there are permits.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) log: watch::Sender<LogStep>,
    pub(crate) audited: Mutex<Vec<Denial>>,
    pub(crate) redeemed: Mutex<Vec<(String, String, Vec<u8>)>>,
    pub(crate) ended: Mutex<Vec<String>>,
    pub(crate) active: Mutex<Vec<Id<Session>>>,
}

impl Default for ToldPolicy {
    fn default() -> Self {
        Self {
            says: Mutex::new(Ok(permit(Reads::default()))),
            asked: AtomicU32::new(0),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            log: watch::Sender::new(LogStep { revocations: Vec::new(), position: 0 }),
            audited: Mutex::default(),
            redeemed: Mutex::default(),
            ended: Mutex::default(),
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

    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
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

    fn end_session(&self, token: String, _: Host) -> BoxFuture<'static, Result<(), NoAnswer>> {
        self.ended.lock().unwrap().push(token);
        Box::pin(async { Ok(()) })
    }

    /// All of the log at each change, and a beat besides.
    fn follow_revocations(&self, _: i64) -> BoxFuture<'static, Result<LogStream, NoAnswer>> {
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
        Box::pin(async move { Ok(steps.boxed()) })
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
