//! Denials on their way to the audit log: kept here, within bounds, until policy has them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use tokio::sync::Notify;

use super::counts::{SPOOL_DROPPED, SPOOL_RECORDS};
use crate::decide::policy::{Denial, NoAnswer, Policy};

/// The most that wait; beyond it the oldest are dropped, and counted.
const LONGEST: usize = 10_000;
/// The most that travel at once.
const BATCH: usize = 200;
/// Between two attempts while nobody takes them.
const RETRY: Duration = Duration::from_secs(1);

/// The denials that wait.
#[derive(Debug)]
pub(crate) struct Spool {
    waiting: Mutex<VecDeque<Denial>>,
    came: Notify,
    records: Gauge,
    dropped: Counter,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            came: Notify::new(),
            records: gauge!(SPOOL_RECORDS),
            dropped: counter!(SPOOL_DROPPED),
        }
    }
}

impl Spool {
    /// Takes a denial.
    pub(crate) fn add(&self, denial: Denial) {
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
            Ok(()) => spool.delivered(&batch),
            Err(NoAnswer::Refused(reason) | NoAnswer::Unknown(reason)) => {
                tracing::error!(reason, denials = batch.len(), "denials were not taken for the audit log");
                spool.delivered(&batch);
            }
            Err(NoAnswer::Away(_)) => tokio::time::sleep(RETRY).await,
        }
    }
}
