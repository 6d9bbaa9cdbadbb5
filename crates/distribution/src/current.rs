//! What this instance goes by at the moment: its keys, the key that seeds are sealed with, how
//! mail leaves. Made anew whenever a snapshot or the keys change.

use std::sync::Arc;

use evergate_keys::{KeyBundle, KeyError, Purpose, Sealer, SeedSealer};
use evergate_model::configuration::Mail;
use evergate_model::snapshot::{Part, Snapshot};
use evergate_wire::feed::{Feed, KeyFile};
use tokio::sync::watch;

/// What this instance goes by.
#[derive(Debug)]
pub struct Current {
    /// Seals what only distribution reads: unfinished enrolments, what messages say.
    pub sealer: Sealer,
    /// Seals seeds for authentication; none before the snapshot has its key.
    pub seeds: Option<SeedSealer>,
    /// How mail leaves; none: it is written to files.
    pub mail: Option<Mail>,
}

/// Why keys or a snapshot cannot be gone by.
#[derive(Debug, thiserror::Error)]
pub enum CurrentError {
    /// The bundle is not one.
    #[error("the key bundle is malformed")]
    Bundle(#[from] serde_json::Error),
    /// A key in it cannot be used.
    #[error("the internal keys cannot be used")]
    Keys(#[from] KeyError),
}

impl Current {
    /// What these keys and this snapshot say.
    ///
    /// # Errors
    /// When the bundle has no usable key for distribution.
    pub fn new(bundle: &KeyBundle, snapshot: &Snapshot) -> Result<Self, CurrentError> {
        let mail = match &snapshot.part {
            Part::Internal(part) => part.configuration.mail.clone(),
            Part::AccessPoint(_) => None,
        };
        Ok(Self {
            sealer: bundle.sealer(Purpose::EnrolmentSealing)?,
            seeds: SeedSealer::from_public_keys(&snapshot.public_keys),
            mail: mail.filter(|mail| !mail.servers.is_empty()),
        })
    }

    fn read(keys: &KeyFile, snapshot: &Snapshot) -> Result<Self, CurrentError> {
        Self::new(&KeyBundle::from_json(keys.bundle.expose())?, snapshot)
    }
}

/// The present state, waiting for the first snapshot and keys if need be.
///
/// # Errors
/// When the first keys cannot be used.
pub async fn first(feed: &Feed) -> Result<watch::Sender<Arc<Current>>, CurrentError> {
    let (snapshot, keys) = (feed.first_snapshot().await, feed.first_keys().await);
    Ok(watch::Sender::new(Arc::new(Current::read(&keys, &snapshot)?)))
}

/// Keeps `current` as the feed says, for ever. What cannot be used is told, and the last good
/// state stays.
pub async fn follow(feed: Feed, current: watch::Sender<Arc<Current>>) {
    let (mut snapshots, mut keys) = (feed.snapshots(), feed.keys());
    loop {
        let changed = tokio::select! {
            changed = snapshots.changed() => changed,
            changed = keys.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        let state = (snapshots.borrow_and_update().clone(), keys.borrow_and_update().clone());
        let (Some(snapshot), Some(keys)) = state else { continue };
        match Current::read(&keys, &snapshot) {
            Ok(new) => drop(current.send_replace(Arc::new(new))),
            Err(error) => tracing::error!(%error, "keys left aside; the last good ones stay in use"),
        }
    }
}
