//! Which sessions are in use, told to policy in batches, so that used ones do not end as idle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evergate_model::Timestamp;
use evergate_model::id::{Id, Session};

use crate::decide::policy::Policy;
use crate::identify::Caller;

/// Between two reports (design.md section 2).
const PERIOD: Duration = Duration::from_secs(60);
/// A session's use is noted this often, in milliseconds.
const NOTED_EVERY: i64 = 10_000;
/// The most sessions that wait to be told.
const LONGEST: usize = 100_000;

/// The sessions used since the last report.
#[derive(Debug, Default)]
pub(crate) struct Activity(Mutex<BTreeMap<Id<Session>, Timestamp>>);

impl Activity {
    /// Notes that a session is in use.
    pub(crate) fn note(&self, caller: &Caller, now: Timestamp) {
        if caller.is_worth_noting(now, NOTED_EVERY) {
            self.put(caller.claims.facts.session, now);
        }
    }

    fn put(&self, session: Id<Session>, at: Timestamp) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < LONGEST || used.contains_key(&session) {
            let last = used.entry(session).or_insert(at);
            *last = at.max(*last);
        }
    }

    fn take(&self) -> Vec<(Id<Session>, Timestamp)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }

    /// Tells policy; what cannot be told is kept for the next time.
    pub(crate) async fn tell(&self, policy: &dyn Policy) {
        let used = self.take();
        if used.is_empty() {
            return;
        }
        if let Err(error) = policy.report_activity(used.clone()).await {
            tracing::debug!(%error, sessions = used.len(), "activity not reported");
            for (session, at) in used {
                self.put(session, at);
            }
        }
    }
}

/// Reports every minute, until dropped.
pub(crate) async fn report(activity: Arc<Activity>, policy: Arc<dyn Policy>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        activity.tell(&*policy).await;
    }
}
