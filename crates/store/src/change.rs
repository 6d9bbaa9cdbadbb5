//! Noticing what other processes commit, without asking every table.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _, Row, SqliteConnection};

use crate::{StoreError, dialect, postgres, sqlite};

/// How often an SQLite database is asked whether anything changed: about 60 µs each time.
const PERIOD: Duration = Duration::from_millis(100);

/// Wakes whoever waits soon after a commit by any other connection: within 100 ms with SQLite, at once
/// with PostgreSQL (within 250 ms where notices are lost).
pub struct Changes(Kind);

enum Kind {
    Sqlite(SqliteChanges),
    Postgres(postgres::Changes),
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

impl Changes {
    pub(crate) async fn of_sqlite(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        Ok(Self(Kind::Sqlite(SqliteChanges::open(options).await?)))
    }

    pub(crate) const fn of_postgres(changes: postgres::Changes) -> Self {
        Self(Kind::Postgres(changes))
    }

    /// Waits for the next commit after the last one noticed. Cancel-safe. Where the database does
    /// not answer it goes on asking, and takes its return for a change.
    pub async fn changed(&mut self) {
        match &mut self.0 {
            Kind::Sqlite(changes) => changes.changed().await,
            Kind::Postgres(changes) => changes.changed().await,
        }
    }

    /// Ends the watch's connection.
    pub async fn close(self) {
        if let Kind::Sqlite(SqliteChanges { connection: Some(connection), .. }) = self.0 {
            let _ = connection.close().await;
        }
    }
}

/// By SQLite's own count of what others committed, which is told to each connection.
struct SqliteChanges {
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    seen: Option<i64>,
}

impl SqliteChanges {
    async fn open(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        let mut changes = Self { connection: None, options: options.clone(), seen: None };
        changes.seen = Some(changes.version().await.map_err(sqlite::error)?);
        Ok(changes)
    }

    async fn changed(&mut self) {
        loop {
            tokio::time::sleep(PERIOD).await;
            match self.version().await {
                Ok(version) if self.seen == Some(version) => {}
                Ok(version) => {
                    self.seen = Some(version);
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "the database's version cannot be read");
                    (self.connection, self.seen) = (None, None);
                }
            }
        }
    }

    async fn version(&mut self) -> Result<i64, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.connect().await?),
        };
        sqlx::query(dialect::VERSION.sqlite).fetch_one(connection).await?.try_get(0)
    }
}
