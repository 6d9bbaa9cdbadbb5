//! The door to the database: a few readers, one writer, and how a transaction begins.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::time::Instant;

use crate::{Changes, StoreError, migrations};

/// What reading functions read from; a [`Reading`] and a [`Tx`] both deref to it.
pub type Connection = sqlx::SqliteConnection;

/// How long SQLite itself waits for another process's write before [`Store::begin`] looks at its own
/// limit: short, since its pauses grow to 100 ms, and whoever waited for a process that hung should
/// write as soon as that one is gone.
const LOCK_WAIT: Duration = Duration::from_millis(25);

/// How a store uses its database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections that only read.
    pub readers: u32,
    /// How long a write waits for other writes, of this process and of others together.
    pub busy_timeout: Duration,
    /// Whether an absent database file is made, with mode 0600.
    pub create: bool,
}

impl Default for Settings {
    /// Two readers, five seconds, no creation.
    fn default() -> Self {
        Self { readers: 2, busy_timeout: Duration::from_secs(5), create: false }
    }
}

/// The database. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
    options: SqliteConnectOptions,
    busy_timeout: Duration,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("file", &self.options.get_filename()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `url` (`sqlite:/path/to/evergate.db`). Connections are made when they
    /// are first wanted.
    ///
    /// # Errors
    /// When the URL is none, or the file is absent (and not to be made) or cannot be opened.
    pub async fn open(url: &str, settings: Settings) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)?
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
        let writer = pool(1).connect_with(options.clone()).await?;
        writer.set_connect_options(options.clone().busy_timeout(LOCK_WAIT));
        sqlx::query(sqlx::AssertSqlSafe(format!("pragma busy_timeout = {}", LOCK_WAIT.as_millis())))
            .execute(&writer)
            .await?;
        let readers = pool(settings.readers.max(1)).connect_lazy_with(options.clone());
        Ok(Self { readers, writer, options, busy_timeout: settings.busy_timeout })
    }

    /// Brings the database up to this program's tables; whoever else does so at the same time
    /// waits, and finds it done.
    ///
    /// # Errors
    /// When the database was made by a newer program, or does not answer.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        migrations::apply(&mut tx).await?;
        tx.commit().await
    }

    /// A connection to read from; give it back soon.
    ///
    /// # Errors
    /// When the database does not answer, or all readers are busy for too long.
    pub async fn read(&self) -> Result<Reading, StoreError> {
        Ok(Reading(self.readers.acquire().await?))
    }

    /// Begins a writing transaction (`BEGIN IMMEDIATE`): from here to [`Tx::commit`] nobody else
    /// writes, so keep it short and never wait for anything else inside. Dropped, it is undone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others write for longer than the busy timeout.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let deadline = Instant::now() + self.busy_timeout;
        loop {
            let began = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from);
            match began {
                Ok(transaction) => return Ok(Tx(transaction)),
                Err(StoreError::Busy) if Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Watches for commits of other processes, on a connection of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn changes(&self) -> Result<Changes, StoreError> {
        Changes::open(&self.options).await
    }

    /// Closes all connections, which folds the write-ahead log into the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A connection to read from.
#[derive(Debug)]
pub struct Reading(PoolConnection<Sqlite>);

impl Deref for Reading {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}
impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// A writing transaction. Dropped without [`Tx::commit`], it is undone.
#[derive(Debug)]
pub struct Tx(sqlx::Transaction<'static, Sqlite>);

impl Tx {
    /// Makes everything written so far last, on disk, before it returns.
    ///
    /// # Errors
    /// When the database does not answer, or the disk is full: then nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}
impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
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
