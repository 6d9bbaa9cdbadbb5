//! SQLite: one file that all processes of a machine open, a few readers, one writer.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};
use tokio::time::Instant;

use crate::{Settings, StoreError, dialect};

/// How long SQLite itself waits for another process's write before a write looks at its own
/// limit: short, since its pauses grow to 100 ms, and whoever waited for a process that hung should
/// write as soon as that one is gone.
const LOCK_WAIT: Duration = Duration::from_millis(25);

/// An SQLite database.
#[derive(Clone)]
pub(crate) struct File {
    readers: SqlitePool,
    writer: SqlitePool,
    options: Arc<SqliteConnectOptions>,
    busy_timeout: Duration,
}

impl File {
    pub(crate) async fn open(url: &str, settings: &Settings) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(error)?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(settings.busy_timeout)
            .foreign_keys(true)
            .statement_cache_capacity(64)
            // 512 KiB a connection: an idle instance stays under 30 MiB.
            .pragma("cache_size", "-512")
            .pragma("temp_store", "MEMORY");
        if settings.create {
            make_private(options.get_filename())?;
        }
        let pool = |most: u32| {
            SqlitePoolOptions::new()
                .min_connections(0)
                .max_connections(most)
                .test_before_acquire(false)
                .acquire_timeout(settings.busy_timeout)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        // The writer is opened at once: it is what sets the journal mode, and what finds out
        // whether there is a database at all.
        let writer = pool(1).connect_with(options.clone()).await.map_err(error)?;
        writer.set_connect_options(options.clone().busy_timeout(LOCK_WAIT));
        sqlx::query(sqlx::AssertSqlSafe(format!("pragma busy_timeout = {}", LOCK_WAIT.as_millis())))
            .execute(&writer)
            .await
            .map_err(error)?;
        let readers = pool(settings.readers.max(1)).connect_lazy_with(options.clone());
        Ok(Self { readers, writer, options: Arc::new(options), busy_timeout: settings.busy_timeout })
    }

    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(error)
    }

    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        let deadline = Instant::now() + self.busy_timeout;
        loop {
            match self.writer.begin_with(dialect::BEGIN.sqlite).await.map_err(error) {
                Ok(transaction) => return Ok(transaction),
                Err(StoreError::Busy) if Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn options(&self) -> &SqliteConnectOptions {
        &self.options
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes the database file for its owner alone; SQLite gives its log files the same mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|source| StoreError::File { path: path.display().to_string(), source })
}

/// What a failure means.
pub(crate) fn error(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(said) = &error else {
        return match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            error => StoreError::Database(error),
        };
    };
    let message = said.message();
    if said.is_unique_violation() {
        StoreError::Taken(message.to_owned())
    } else if is_busy(said.code().as_deref()) {
        StoreError::Busy
    } else if message.starts_with("no such table") || message.starts_with("no such column") {
        StoreError::NotMigrated(message.to_owned())
    } else {
        StoreError::Database(error)
    }
}

/// `SQLITE_BUSY` and `SQLITE_LOCKED` with their extended codes, whose low byte is the plain one.
fn is_busy(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}
