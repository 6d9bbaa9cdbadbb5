//! Denials on their way to the audit log: kept here, within bounds, until policy has them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evergate_model::{Name, Timestamp};
use metrics::{Counter, Gauge, counter, gauge};
use tokio::sync::Notify;

use super::counts::{SPOOL_DROPPED, SPOOL_RECORDS};
use crate::decide::policy::{Denial, NoAnswer, Policy};

/// The most that wait; beyond it the oldest are dropped, and counted.
const LONGEST: usize = 10_000;
/// The most that travel at once.
const BATCH: usize = 200;
/// For each delivered denial a pause: whoever provokes denials must not keep the database busy.
const PAUSE_EACH: Duration = Duration::from_millis(5);
/// Between two attempts while nobody takes them.
const RETRY: Duration = Duration::from_secs(1);
/// Denials of somebody without a session are told once in so long for each address and resource:
/// strangers must not be able to fill the audit log.
const STRANGERS_EVERY: Duration = Duration::from_secs(60);
/// And of so many addresses and resources in that time.
const STRANGERS: usize = 1000;

/// The denials that wait.
#[derive(Debug)]
pub(crate) struct Spool {
    waiting: Mutex<VecDeque<Denial>>,
    strangers: Mutex<Strangers>,
    came: Notify,
    records: Gauge,
    dropped: Counter,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            strangers: Mutex::default(),
            came: Notify::new(),
            records: gauge!(SPOOL_RECORDS),
            dropped: counter!(SPOOL_DROPPED),
        }
    }
}

/// Which strangers were told of in this period.
#[derive(Debug, Default)]
struct Strangers {
    ends_at: Option<Timestamp>,
    told: BTreeSet<(String, Name)>,
}

impl Strangers {
    fn is_first(&mut self, denial: &Denial) -> bool {
        if self.ends_at.is_none_or(|end| end <= denial.at) {
            (self.ends_at, self.told) = (Some(denial.at.plus(STRANGERS_EVERY)), BTreeSet::new());
        }
        self.told.len() < STRANGERS && self.told.insert((denial.client.clone(), denial.resource.clone()))
    }
}

impl Spool {
    /// Takes a denial.
    pub(crate) fn add(&self, denial: Denial) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if denial.user.is_empty() && !strangers.is_first(&denial) {
            return;
        }
        drop(strangers);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= LONGEST {
            waiting.pop_front();
            self.dropped.increment(1);
        }
        waiting.push_back(denial);
        self.records.set(count(waiting.len()));
        drop(waiting);
        self.came.notify_one();
    }

    fn first(&self) -> Vec<Denial> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().take(BATCH).cloned().collect()
    }

    /// Forgets those that were delivered; they are still the first, less what was dropped.
    fn delivered(&self, batch: &[Denial]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(|first| batch.iter().any(|sent| sent.request == first.request)) {
            waiting.pop_front();
        }
        self.records.set(count(waiting.len()));
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn count(length: usize) -> f64 {
    length as f64
}

/// Delivers what waits, until dropped.
pub(crate) async fn deliver(spool: Arc<Spool>, policy: Arc<dyn Policy>) {
    loop {
        let batch = spool.first();
        if batch.is_empty() {
            spool.came.notified().await;
            continue;
        }
        match policy.record_audit(batch.clone()).await {
            Ok(()) => {
                spool.delivered(&batch);
                let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
                tokio::time::sleep(PAUSE_EACH * count).await;
            }
            Err(NoAnswer::Refused(reason) | NoAnswer::Unknown(reason)) => {
                tracing::error!(reason, denials = batch.len(), "denials were not taken for the audit log");
                spool.delivered(&batch);
            }
            Err(NoAnswer::Away(_) | NoAnswer::Busy(_) | NoAnswer::Behind) => tokio::time::sleep(RETRY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(second: i64, user: &str, client: &str) -> Denial {
        let at = Timestamp::from_seconds(second);
        Denial {
            request: evergate_model::Id::new(at, [0; 10]),
            at,
            user: user.to_owned(),
            resource: "wiki".parse().unwrap(),
            detail: String::new(),
            client: client.to_owned(),
        }
    }

    #[test]
    fn every_denial_of_a_user_is_told_and_a_strangers_once_a_minute() {
        let spool = Spool::default();
        let waiting = || spool.waiting.lock().unwrap().len();
        for second in 0..60 {
            spool.add(denial(second, "", "192.0.2.1"));
        }
        assert_eq!(waiting(), 1);
        spool.add(denial(59, "", "192.0.2.2"));
        spool.add(denial(60, "", "192.0.2.1"));
        assert_eq!(waiting(), 3);
        (0..5).for_each(|_| spool.add(denial(60, "alice", "192.0.2.1")));
        assert_eq!(waiting(), 8);
        (0..5000).for_each(|number| spool.add(denial(60, "", &format!("2001:db8::{number:x}"))));
        assert_eq!(waiting(), 8 + STRANGERS - 1);
    }
}
