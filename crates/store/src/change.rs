//! Noticing what other processes commit, without asking every table.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _, Row};

use crate::{Connection, StoreError};

/// How often the database is asked whether anything changed: about 60 µs each time.
const PERIOD: Duration = Duration::from_millis(100);

/// Wakes whoever waits within 100 ms of a commit by any other connection (SQLite's
/// `PRAGMA data_version`).
#[derive(Debug)]
pub struct Changes {
    connection: Option<Connection>,
    options: SqliteConnectOptions,
    seen: Option<i64>,
}

impl Changes {
    pub(crate) async fn open(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        let mut changes = Self { connection: None, options: options.clone(), seen: None };
        changes.seen = Some(changes.version().await?);
        Ok(changes)
    }

    /// Waits for the next commit after the last one noticed. Cancel-safe. Where the database does
    /// not answer it goes on asking, and takes its return for a change.
    pub async fn changed(&mut self) {
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

    /// Ends the watch's connection.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            let _ = connection.close().await;
        }
    }

    async fn version(&mut self) -> Result<i64, StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.connect().await?),
        };
        Ok(sqlx::query("pragma data_version").fetch_one(connection).await?.try_get(0)?)
    }
}
