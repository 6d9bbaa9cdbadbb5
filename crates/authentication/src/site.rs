//! What all requests share: the database, the neighbours, the clock, the present settings and keys.

use std::sync::Arc;

use evergate_process::Clock;
use evergate_store::Store;
use tokio::sync::watch;

use crate::error::Error;
use crate::hashing::HashingPool;
use crate::neighbours::Neighbours;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// The latest of something; `None` before the first.
pub type Latest<T> = watch::Receiver<Option<Arc<T>>>;

/// What all requests share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Site {
    /// The database.
    pub store: Store,
    /// The other services.
    pub neighbours: Arc<dyn Neighbours>,
    /// What time it is.
    pub clock: Clock,
    /// Where passwords are hashed.
    pub hashing: HashingPool,
    /// What the snapshot says.
    pub settings: Latest<Settings>,
    /// The internal keys.
    pub secrets: Latest<Secrets>,
}

impl Site {
    /// The present settings.
    ///
    /// # Errors
    /// [`Error::NotReady`] before the first snapshot.
    pub fn settings(&self) -> Result<Arc<Settings>, Error> {
        self.settings.borrow().clone().ok_or(Error::NotReady)
    }

    /// The present keys.
    ///
    /// # Errors
    /// [`Error::NotReady`] before the first keys.
    pub fn secrets(&self) -> Result<Arc<Secrets>, Error> {
        self.secrets.borrow().clone().ok_or(Error::NotReady)
    }
}
