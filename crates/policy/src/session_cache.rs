//! Sessions read from the database, remembered until the database changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use evergate_model::Id;
use evergate_model::id::Session as SessionKind;
use evergate_store::sessions::{self, Session};

use crate::database::{Database, ReadError};

/// More sessions than that are not remembered.
const MOST: usize = 20_000;

/// The sessions remembered. A change of the database, of whatever kind, forgets all: they cost
/// two reads each.
#[derive(Debug, Default)]
pub(crate) struct SessionCache(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    generation: u64,
    sessions: BTreeMap<Id<SessionKind>, Arc<Session>>,
}

impl SessionCache {
    /// The database has changed.
    pub(crate) fn forget(&self) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.generation = remembered.generation.wrapping_add(1);
        remembered.sessions.clear();
    }

    /// The session as remembered, or else as the database has it; `None` where there is none.
    pub(crate) async fn get(
        &self,
        database: &Database,
        id: Id<SessionKind>,
    ) -> Result<Option<Arc<Session>>, ReadError> {
        let remembered = self.remembered(id);
        match remembered {
            Some(session) => Ok(Some(session)),
            None => self.read(database, id).await,
        }
    }

    /// The session as the database has it now.
    pub(crate) async fn read(
        &self,
        database: &Database,
        id: Id<SessionKind>,
    ) -> Result<Option<Arc<Session>>, ReadError> {
        let generation = self.0.lock().unwrap_or_else(PoisonError::into_inner).generation;
        let session = database
            .read(|store| async move { sessions::get(&mut *store.read().await?, id).await })
            .await?
            .map(Arc::new);
        if let Some(session) = &session {
            let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A change that was noticed during the read may not be in what was read.
            if remembered.generation == generation && remembered.sessions.len() < MOST {
                remembered.sessions.insert(id, Arc::clone(session));
            }
        }
        Ok(session)
    }

    fn remembered(&self, id: Id<SessionKind>) -> Option<Arc<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sessions.get(&id).cloned()
    }
}
