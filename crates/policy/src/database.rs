//! The database, which may be away: opened when it can be, and left alone for a moment after it
//! failed, so that decisions do not wait for it one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use evergate_model::Timestamp;
use evergate_process::{Clock, Readiness};
use evergate_store::{Memory, Settings, Store, StoreError};
use tokio::time::Instant;

use crate::PolicyError;

/// How long a read may take before a decision goes on without it.
const READ_LIMIT: Duration = Duration::from_millis(500);
/// How long decisions go on without the database after a read failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a database that cannot be opened is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long a write waits for other writers: less than callers' deadline of 2 s.
const BUSY: Duration = Duration::from_millis(1500);

/// Why a read for a decision was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the database is away")]
    Away,
    #[error("the database did not answer in time")]
    Slow,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The database of this instance.
#[derive(Debug)]
pub(crate) struct Database {
    store: ArcSwapOption<Store>,
    readiness: Readiness,
    is_away: AtomicBool,
    opened_at: Instant,
    /// Milliseconds after `opened_at` until which decisions do not ask it.
    paused_until: std::sync::atomic::AtomicU64,
    clock: Clock,
    /// Which timeline was seen.
    memory: Memory,
    /// When it answered last, or the process began; milliseconds.
    answered_at: AtomicI64,
}

impl Database {
    pub(crate) fn new(readiness: Readiness, clock: Clock, memory: Memory) -> Self {
        let answered_at = AtomicI64::new(clock.now().as_milliseconds());
        Self {
            clock,
            memory,
            answered_at,
            store: ArcSwapOption::empty(),
            readiness,
            is_away: AtomicBool::new(false),
            opened_at: Instant::now(),
            paused_until: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Opens it once; whether that went well.
    pub(crate) async fn open(&self, url: &str) -> bool {
        let settings =
            Settings { readers: 4, busy_timeout: BUSY, create: false, memory: self.memory.clone() };
        match Store::open(url, settings).await {
            Ok(store) => {
                self.store.store(Some(Arc::new(store)));
                self.answered();
                true
            }
            Err(error) => {
                self.failed(&ReadError::Store(error));
                false
            }
        }
    }

    /// Opens it, however long that takes.
    pub(crate) async fn open_at_last(&self, url: &str) {
        while !self.open(url).await {
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The store, for a write or a read that cannot be done without.
    pub(crate) fn store(&self) -> Result<Arc<Store>, PolicyError> {
        self.store.load_full().ok_or(PolicyError::DatabaseAway)
    }

    /// Reads for a decision: at once, in time, or not.
    pub(crate) async fn read<T, F>(&self, read: impl FnOnce(Arc<Store>) -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let store = self.store.load_full().ok_or(ReadError::Away)?;
        if self.milliseconds() < self.paused_until.load(Ordering::Relaxed) {
            return Err(ReadError::Away);
        }
        let result = match tokio::time::timeout(READ_LIMIT, read(store)).await {
            Ok(result) => result.map_err(ReadError::Store),
            Err(_) => Err(ReadError::Slow),
        };
        match &result {
            Ok(_) => self.answered(),
            Err(error) => self.failed(error),
        }
        result
    }

    /// For how long it has not answered, since it did or since the process began.
    pub(crate) fn away_for(&self) -> Duration {
        let answered_at = Timestamp::from_milliseconds(self.answered_at.load(Ordering::Relaxed));
        self.clock.now().since(answered_at)
    }

    fn answered(&self) {
        self.answered_at.store(self.clock.now().as_milliseconds(), Ordering::Relaxed);
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!("the database answers again");
            self.readiness.clear("database");
        }
    }

    fn failed(&self, error: &ReadError) {
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        self.paused_until.store(self.milliseconds().saturating_add(pause), Ordering::Relaxed);
        if !self.is_away.swap(true, Ordering::Relaxed) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "the database is away; deciding from tokens and the revocation log");
            self.readiness.degraded("database", "the database is away");
        }
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
