//! One connection to PostgreSQL, and what is known of its state: a connection that nobody knows the
//! state of is closed, never given back.

use std::sync::Arc;
use std::time::Duration;

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;
use sqlx::{Executor, Postgres};
use tokio::sync::Notify;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::trouble;
use crate::{StoreError, dialect};

/// Told when the one connection of a writer's pool is given back with its transaction open, which the
/// pool then undoes before anybody else has it.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOpen(Arc<AtomicBool>);

impl LeftOpen {
    /// Undoes what was left open.
    pub(super) async fn undo(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        if self.0.swap(false, Ordering::AcqRel) {
            connection.execute("rollback").await?;
        }
        Ok(true)
    }
}

/// A connection from a pool.
pub(crate) struct Link {
    connection: PoolConnection<Postgres>,
    limit: Duration,
    trouble: Arc<Notify>,
    /// A statement is under way, or was left in the middle, or broke the connection.
    is_doubtful: bool,
    /// A transaction was begun and not ended; who undoes it then.
    open: Option<LeftOpen>,
    /// A statement of the transaction failed, after which PostgreSQL does nothing more in it.
    is_failed: bool,
}

impl Link {
    /// A connection whose statements may take `limit`; `trouble` wakes whoever looks for another server.
    pub(super) const fn new(
        connection: PoolConnection<Postgres>,
        limit: Duration,
        trouble: Arc<Notify>,
    ) -> Self {
        Self { connection, limit, trouble, is_doubtful: false, open: None, is_failed: false }
    }

    /// How long the next statement may take.
    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    /// Lets statements take as long as they will: migrations.
    pub(crate) fn be_patient(&mut self) {
        self.limit = Duration::from_secs(3600);
    }

    /// The connection for one statement, of whose end [`Link::done`] must be told.
    pub(crate) fn statement(&mut self) -> &mut PgConnection {
        self.is_doubtful = true;
        &mut self.connection
    }

    /// What came of a statement.
    pub(crate) fn done<T>(&mut self, done: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, StoreError> {
        match done {
            Ok(Ok(found)) => {
                self.is_doubtful = false;
                Ok(found)
            }
            Ok(Err(error)) => {
                self.is_failed = true;
                self.is_doubtful = trouble::is_of_no_more_use(&error);
                if self.is_doubtful {
                    self.trouble.notify_one();
                }
                Err(trouble::of_statement(error))
            }
            Err(_) => {
                self.trouble.notify_one();
                Err(StoreError::Silent { limit: self.limit })
            }
        }
    }

    /// Begins a write.
    pub(super) async fn begin(mut self, left_open: LeftOpen) -> Result<Self, StoreError> {
        let begin = sqlx::raw_sql(dialect::BEGIN.postgres);
        let done = timeout(self.limit, self.statement().execute(begin)).await;
        if let Err(error) = self.done(done) {
            // It may have begun, and nothing but closing undoes that.
            self.is_doubtful = true;
            return Err(error);
        }
        (self.open, self.is_failed) = (Some(left_open), false);
        Ok(self)
    }

    /// Makes what was written last.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        // PostgreSQL would answer that it committed, and undo all.
        if self.is_failed {
            return Err(StoreError::Undone);
        }
        let done = timeout(self.limit, self.statement().execute("commit")).await;
        self.done(done)?;
        self.open = None;
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.is_doubtful {
            self.connection.close_on_drop();
        } else if let Some(open) = &self.open {
            open.0.store(true, Ordering::Release);
        }
    }
}
