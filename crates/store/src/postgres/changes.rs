//! Noticing what others commit: a notice wakes at once, asking now and then makes sure.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::watch::State;
use crate::{StoreError, dialect};

/// How often the database is asked where no notice came.
const PERIOD: Duration = Duration::from_millis(250);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(2);
/// What every commit notifies (see [`dialect::BEGIN`]).
const CHANNEL: &str = "evergate";

/// Notices commits, on a connection of its own to whichever server takes writes.
pub(crate) struct Changes {
    state: watch::Receiver<State>,
    server: Option<String>,
    listener: Option<PgListener>,
    seen: Option<String>,
}

impl Changes {
    pub(super) async fn open(state: watch::Receiver<State>) -> Result<Self, StoreError> {
        let mut changes = Self { state, server: None, listener: None, seen: None };
        changes.is_changed().await?;
        Ok(changes)
    }

    /// Waits for a commit; cancel-safe. Takes the database's return, and its move, for a change.
    pub(crate) async fn changed(&mut self) {
        loop {
            if let Some(listener) = &mut self.listener {
                // A notice, its absence and a broken connection all mean: ask.
                drop(timeout(PERIOD, listener.try_recv()).await);
            } else {
                tokio::time::sleep(PERIOD).await;
            }
            match self.is_changed().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "the database's version cannot be read");
                    (self.listener, self.seen) = (None, None);
                }
            }
        }
    }

    /// Whether anything was committed since this was asked last, or the server is another.
    async fn is_changed(&mut self) -> Result<bool, StoreError> {
        let found = self.state.borrow().found.clone();
        let Some(found) = found else { return Err(StoreError::Silent { limit: PERIOD }) };
        if self.server.as_ref() != Some(&found.server) {
            (self.listener, self.seen) = (None, None);
            self.server = Some(found.server.clone());
        }
        let silent = |_| StoreError::Silent { limit: LIMIT };
        let listener = match &mut self.listener {
            Some(listener) => listener,
            none => {
                let connect = async {
                    let mut listener = PgListener::connect_with(&found.listeners).await?;
                    listener.eager_reconnect(false);
                    listener.listen(CHANNEL).await?;
                    Ok::<_, sqlx::Error>(listener)
                };
                none.insert(timeout(LIMIT, connect).await.map_err(silent)?.map_err(StoreError::Database)?)
            }
        };
        while listener.next_buffered().is_some() {}
        let version = sqlx::query(dialect::VERSION.postgres).fetch_one(&mut *listener);
        let row = timeout(LIMIT, version).await.map_err(silent)?.map_err(StoreError::Database)?;
        let version: String = row.try_get(0).map_err(StoreError::Database)?;
        let is_changed = self.seen.as_ref() != Some(&version);
        self.seen = Some(version);
        Ok(is_changed)
    }
}
