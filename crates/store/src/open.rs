//! The door to the database: how it is opened, how a read and a write begin.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use evergate_model::DatabaseTimeline;

use crate::connection::{Connection, Inner};
use crate::postgres::{self, Postgres};
use crate::sqlite::File;
use crate::timeline::Memory;
use crate::{Changes, StoreError, migrations};

/// How a store uses its database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections that only read.
    pub readers: u32,
    /// How long a write waits for other writes, of this process and of others together; with
    /// PostgreSQL also how long anything waits for a server that takes writes.
    pub busy_timeout: Duration,
    /// Whether an absent database file is made, with mode 0600; PostgreSQL's databases are made there.
    pub create: bool,
    /// Which timeline was seen, with PostgreSQL.
    pub memory: Memory,
}

impl Default for Settings {
    /// Two readers, five seconds, no creation, a memory that ends with the process.
    fn default() -> Self {
        Self { readers: 2, busy_timeout: Duration::from_secs(5), create: false, memory: Memory::default() }
    }
}

/// The database. Clones share its connections.
#[derive(Clone)]
pub struct Store(Kind);

#[derive(Clone)]
enum Kind {
    Sqlite(File),
    Postgres(Postgres),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Store");
        match &self.0 {
            Kind::Sqlite(file) => debug.field("file", &file.options().get_filename()),
            Kind::Postgres(postgres) => debug.field("servers", &postgres.names()),
        };
        debug.finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `url`: `sqlite:/path/to/evergate.db`, or
    /// `postgres://name:password@host1:5432,host2:5432/database?sslmode=verify-full`, of whose hosts the
    /// one is used that takes writes. Connections are made when they are first wanted.
    ///
    /// # Errors
    /// When the URL is none, the file is absent (and not to be made) or cannot be opened, or no server
    /// takes writes; the error says why of each.
    pub async fn open(url: &str, settings: Settings) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            return Ok(Self(Kind::Sqlite(File::open(url, &settings).await?)));
        }
        if !postgres::is_postgres(url) {
            return Err(postgres::AddressError::Form.into());
        }
        Ok(Self(Kind::Postgres(Postgres::open(url, &settings).await?)))
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
        let inner = match &self.0 {
            Kind::Sqlite(file) => Inner::SqliteReading(file.read().await?),
            Kind::Postgres(postgres) => Inner::Postgres(postgres.read().await?),
        };
        Ok(Reading(Connection::new(inner)))
    }

    /// Begins a writing transaction: from here to [`Tx::commit`] nobody else writes, so keep it short
    /// and never wait for anything else inside. Dropped, it is undone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others write for longer than the busy timeout.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = match &self.0 {
            Kind::Sqlite(file) => Inner::SqliteWriting(file.begin().await?),
            Kind::Postgres(postgres) => Inner::Postgres(postgres.begin().await?),
        };
        Ok(Tx(Connection::new(inner)))
    }

    /// Watches for commits of other processes, on a connection of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn changes(&self) -> Result<Changes, StoreError> {
        match &self.0 {
            Kind::Sqlite(file) => Changes::of_sqlite(file.options()).await,
            Kind::Postgres(postgres) => Ok(Changes::of_postgres(postgres.changes().await?)),
        }
    }

    /// Whether that address is of PostgreSQL, whose servers are told apart by their timelines.
    #[must_use]
    pub fn has_timelines(url: &str) -> bool {
        postgres::is_postgres(url)
    }

    /// The highest timeline of the PostgreSQL in use that was seen; `None` with SQLite.
    #[must_use]
    pub fn timeline(&self) -> Option<DatabaseTimeline> {
        match &self.0 {
            Kind::Sqlite(_) => None,
            Kind::Postgres(postgres) => postgres.timeline(),
        }
    }

    /// Another instance saw that timeline: from now on nothing is asked of a server on a lower one, which
    /// was replaced and may not know.
    pub fn believe_timeline(&self, seen: DatabaseTimeline) {
        if let Kind::Postgres(postgres) = &self.0 {
            postgres.believe_timeline(seen);
        }
    }

    /// The PostgreSQL that it is, if it is one.
    pub(crate) const fn postgres(&self) -> Option<&Postgres> {
        match &self.0 {
            Kind::Sqlite(_) => None,
            Kind::Postgres(postgres) => Some(postgres),
        }
    }

    /// Closes all connections, which with SQLite folds the write-ahead log into the database.
    pub async fn close(&self) {
        match &self.0 {
            Kind::Sqlite(file) => file.close().await,
            Kind::Postgres(postgres) => postgres.close().await,
        }
    }
}

/// A connection to read from.
#[derive(Debug)]
pub struct Reading(Connection);

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
pub struct Tx(Connection);

impl Tx {
    /// Makes everything written so far last, on disk, before it returns.
    ///
    /// # Errors
    /// When the database does not answer, or the disk is full: then nothing was written. Where
    /// PostgreSQL is lost during the commit itself nobody knows; effect keys are for that.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await
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
