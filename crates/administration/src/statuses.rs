//! What the instances say of themselves: kept in memory as it comes, written to the database once a
//! second, so that every administration instance can show all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evergate_model::{Name, Timestamp};
use evergate_store::instances::{self, Status};
use evergate_store::{Connection, Store, StoreError};
use evergate_wire::report::{InstanceReport, InstanceState};

/// How often what came in is written.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);
/// An instance that was not heard of for so long is shown as silent: three reports are missing.
pub(crate) const SILENCE: Duration = Duration::from_millis(3500);

/// The reports that came to this instance and are not written yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statuses {
    unwritten: Arc<Mutex<BTreeMap<Name, InstanceReport>>>,
    applied_by_all: Arc<AtomicU64>,
}

impl Statuses {
    /// Takes a report; `now` is when it came, by our own clock.
    pub(crate) fn put(&self, report: InstanceReport, now: Timestamp) {
        let report = InstanceReport { at: now, ..report };
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).insert(report.instance.clone(), report);
    }

    /// The snapshot revision that every instance has applied which was heard of lately, as it was at
    /// the last [`Statuses::look`]; 0 before.
    pub(crate) fn applied_by_all(&self) -> u64 {
        self.applied_by_all.load(Ordering::Relaxed)
    }

    /// Looks how far all instances are.
    pub(crate) async fn look(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let reports = latest(&mut *store.read().await?, now).await?;
        let heard_of = reports.values().filter(|report| report.state != InstanceState::Silent);
        let applied = heard_of.map(|report| report.revision).min().unwrap_or(0);
        self.applied_by_all.store(applied, Ordering::Relaxed);
        Ok(())
    }

    /// Writes what came since the last time.
    pub(crate) async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let reports = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        if reports.is_empty() {
            return Ok(());
        }
        let mut tx = store.begin().await?;
        for report in reports.into_values() {
            let status = serde_json::to_string(&report).unwrap_or_default();
            instances::put_status(&mut tx, &Status { instance: report.instance, status, at: report.at })
                .await?;
        }
        tx.commit().await
    }
}

/// The latest report of each instance, those not heard of lately marked as silent.
pub(crate) async fn latest(
    connection: &mut Connection,
    now: Timestamp,
) -> Result<BTreeMap<Name, InstanceReport>, StoreError> {
    let stored = instances::statuses(connection).await?;
    let reports = stored.into_iter().filter_map(|status| {
        let mut report: InstanceReport = serde_json::from_str(&status.status).ok()?;
        if now.since(status.at) > SILENCE {
            report.state = InstanceState::Silent;
            report.reasons = vec![format!("not heard of since {}", status.at)];
        }
        Some((status.instance, report))
    });
    Ok(reports.collect())
}
