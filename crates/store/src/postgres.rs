//! PostgreSQL: several servers in one address, of which one takes writes and is followed when
//! another takes its place.
//!
//! Begin at [`Postgres`]. [`choice`] decides, purely; [`watch`] asks the servers and acts on it.

mod address;
mod changes;
mod choice;
mod link;
mod probe;
mod trouble;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use tokio::sync::{Notify, watch as channel};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

pub use address::AddressError;
pub(crate) use address::is_postgres;
pub(crate) use changes::Changes;
pub(crate) use link::Link;
pub(crate) use trouble::in_one_text;
pub use trouble::{Problem, Trouble};
use watch::State;

use evergate_model::DatabaseTimeline;

use crate::timeline::Memory;
use crate::{Settings, StoreError};

/// How much longer a statement may take than it may wait for a lock.
const STATEMENT: Duration = Duration::from_secs(3);

/// A PostgreSQL database.
#[derive(Clone)]
pub(crate) struct Postgres {
    state: channel::Receiver<State>,
    memory: Memory,
    trouble: Arc<Notify>,
    busy_timeout: Duration,
    names: Arc<[String]>,
    doors: Arc<[Door]>,
    watch: AbortHandle,
    /// Ends the watch with the last clone.
    _tasks: Arc<JoinSet<()>>,
}

/// What the address says of the way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Door {
    /// Host and port.
    pub(crate) server: String,
    /// Whether it is on this machine.
    pub(crate) is_near: bool,
    /// Whether the server has to prove who it is.
    pub(crate) checks_certificate: bool,
}

impl Postgres {
    /// Finds the server that takes writes.
    pub(crate) async fn open(url: &str, settings: &Settings) -> Result<Self, StoreError> {
        let servers = address::servers(url, settings.busy_timeout)?;
        let names = servers.iter().map(|server| server.name.clone()).collect();
        let door = |server: &address::Server| Door {
            server: server.name.clone(),
            is_near: address::is_near(server),
            checks_certificate: address::checks_certificate(server),
        };
        let doors = servers.iter().map(door).collect();
        let (memory, trouble) = (settings.memory.clone(), Arc::new(Notify::new()));
        let mut watch =
            watch::Watch::new(servers, settings.readers.max(1), memory.clone(), Arc::clone(&trouble));
        let state = watch.look().await;
        let found_none = state.borrow().found.is_none();
        if found_none {
            return Err(StoreError::Unusable(state.borrow().troubles.to_vec()));
        }
        let mut tasks = JoinSet::new();
        let watch = tasks.spawn(watch.run());
        let busy_timeout = settings.busy_timeout;
        Ok(Self { state, memory, trouble, busy_timeout, names, doors, watch, _tasks: Arc::new(tasks) })
    }

    /// A connection to read from.
    pub(crate) async fn read(&self) -> Result<Link, StoreError> {
        Ok(self.read_somewhere().await?.0)
    }

    /// The same, and the name of the server that it leads to.
    pub(crate) async fn read_somewhere(&self) -> Result<(Link, String), StoreError> {
        let (connection, found) = self.connection(|found| &found.readers).await?;
        let link = Link::new(connection, self.busy_timeout + STATEMENT, Arc::clone(&self.trouble));
        Ok((link, found.server))
    }

    /// What the address says of a server.
    pub(crate) fn door(&self, server: &str) -> Option<&Door> {
        self.doors.iter().find(|door| door.server == server)
    }

    /// The servers that are of no use for writes, and why.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.state.borrow().troubles.to_vec()
    }

    /// A connection in a write of its own.
    pub(crate) async fn begin(&self) -> Result<Link, StoreError> {
        let (connection, found) = self.connection(|found| &found.writer).await?;
        Link::new(connection, self.busy_timeout + STATEMENT, Arc::clone(&self.trouble))
            .begin(found.left_open)
            .await
    }

    /// Notices commits.
    pub(crate) async fn changes(&self) -> Result<Changes, StoreError> {
        Changes::open(self.state.clone()).await
    }

    /// The names of the servers, and which is in use: never the password.
    pub(crate) fn names(&self) -> (&[String], Option<String>) {
        (&self.names, self.state.borrow().found.as_ref().map(|found| found.server.clone()))
    }

    /// The highest timeline that was seen.
    pub(crate) fn timeline(&self) -> Option<DatabaseTimeline> {
        self.memory.remembered()
    }

    /// Others saw that timeline: no server on a lower one is believed any more.
    pub(crate) fn believe_timeline(&self, seen: DatabaseTimeline) {
        self.memory.believe(seen);
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        self.watch.abort();
        let found = self.state.borrow().found.clone();
        if let Some(found) = found {
            found.close().await;
        }
    }

    /// A connection from the pool that `pool` picks, of whichever server takes writes by then; waits for
    /// one as long as a write waits for others.
    async fn connection(
        &self,
        pool: impl Fn(&watch::Found) -> &PgPool,
    ) -> Result<(PoolConnection<sqlx::Postgres>, watch::Found), StoreError> {
        let deadline = Instant::now() + self.busy_timeout;
        let mut state = self.state.clone();
        loop {
            let found = state.borrow_and_update().found.clone();
            let serial = found.as_ref().map(|found| found.serial);
            let attempt = async {
                match found {
                    Some(found) => pool(&found).acquire().await.map(|connection| (connection, found)),
                    None => std::future::pending().await,
                }
            };
            let is_another = |state: &State| state.found.as_ref().map(|found| found.serial) != serial;
            let acquired = tokio::select! {
                biased;
                acquired = timeout_at(deadline, attempt) => acquired,
                moved = state.wait_for(is_another) => match moved {
                    Ok(_) => continue,
                    Err(_) => return Err(StoreError::Database(sqlx::Error::PoolClosed)),
                },
            };
            match acquired {
                Ok(Ok(acquired)) => return Ok(acquired),
                Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => return Err(self.nobody(&state)),
                Ok(Err(error @ sqlx::Error::PoolClosed)) if !is_another(&state.borrow()) => {
                    return Err(StoreError::Database(error));
                }
                Ok(Err(error)) => self.wait_for_another(error, &mut state, deadline).await?,
            }
        }
    }

    /// After a connection could not be made: until the servers were looked at again.
    async fn wait_for_another(
        &self,
        error: sqlx::Error,
        state: &mut channel::Receiver<State>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        self.trouble.notify_one();
        match timeout_at(deadline, state.changed()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Database(error)),
            Err(_) => Err(self.nobody(state)),
        }
    }

    /// Why no connection was to be had: other work has them all, or no server is of use.
    fn nobody(&self, state: &channel::Receiver<State>) -> StoreError {
        let state = state.borrow();
        let in_use = state.found.as_ref().map(|found| found.server.as_str());
        let is_in_trouble = state.troubles.iter().any(|trouble| Some(trouble.server.as_str()) == in_use);
        if state.found.is_some() && !is_in_trouble {
            return StoreError::Busy;
        }
        StoreError::Unusable(state.troubles.to_vec())
    }
}
