//! What statements are put to: a connection to SQLite or to PostgreSQL, from a pool, with or
//! without a transaction in it.

use std::fmt;

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection};

use crate::StoreError;
use crate::postgres::Link;

/// What reading functions read from; a [`Reading`](crate::Reading) and a [`Tx`](crate::Tx) both deref
/// to it.
pub struct Connection(Inner);

/// Which database it leads to, and whether it writes.
pub(crate) enum Inner {
    SqliteReading(PoolConnection<Sqlite>),
    SqliteWriting(sqlx::Transaction<'static, Sqlite>),
    Postgres(Link),
}

/// Which database a statement is for.
pub(crate) enum Database<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut Link),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Inner::SqliteReading(_) | Inner::SqliteWriting(_) => "sqlite",
            Inner::Postgres(_) => "postgresql",
        };
        f.debug_tuple("Connection").field(&kind).finish()
    }
}

impl Connection {
    pub(crate) const fn new(inner: Inner) -> Self {
        Self(inner)
    }

    pub(crate) fn database(&mut self) -> Database<'_> {
        match &mut self.0 {
            Inner::SqliteReading(connection) => Database::Sqlite(connection),
            Inner::SqliteWriting(transaction) => Database::Sqlite(transaction),
            Inner::Postgres(link) => Database::Postgres(link),
        }
    }

    /// The statement of two that this database understands.
    pub(crate) const fn dialect(&self, texts: &crate::dialect::Texts) -> &'static str {
        match &self.0 {
            Inner::SqliteReading(_) | Inner::SqliteWriting(_) => texts.sqlite,
            Inner::Postgres(_) => texts.postgres,
        }
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(&self.0, Inner::Postgres(_))
    }

    /// Refuses what there is for SQLite alone.
    pub(crate) const fn wants_sqlite(
        &self,
        what: &'static str,
        instead: &'static str,
    ) -> Result<(), StoreError> {
        if self.is_postgres() { Err(StoreError::OnlySqlite { what, instead }) } else { Ok(()) }
    }

    /// Commits, where this is a transaction.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.0 {
            Inner::SqliteReading(_) => Ok(()),
            Inner::SqliteWriting(transaction) => transaction.commit().await.map_err(crate::sqlite::error),
            Inner::Postgres(link) => link.commit().await,
        }
    }
}
