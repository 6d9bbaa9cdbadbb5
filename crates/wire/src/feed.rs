//! The snapshot and the internal keys that this instance goes by: verified, kept on disk, told to
//! whoever waits for the next one.
//!
//! An instance starts from the last good ones on its disk, without administration.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use evergate_model::snapshot::{CLOCK_DIFFERENCE, KeyPurpose, PublicKey, Snapshot};
use evergate_model::{Secret, Service};
use evergate_process::bootstrap::AdministrationPeer;
use evergate_process::identity::{Identity, IdentityError};
use evergate_process::telemetry::chain;
use evergate_process::{Instance, files};
use evergate_tokens::KeyRing;
use evergate_tokens::snapshot::{SnapshotError, SnapshotVerifier};
use serde::Deserialize;
use tokio::sync::watch;

/// The file of the last good snapshot, in the instance's directory.
pub const SNAPSHOT_FILE: &str = "snapshot.json";
/// The file of the internal keys, in the instance's directory.
pub const KEYS_FILE: &str = "keys.json";
/// The file of the keys that verify snapshots, as the last good snapshot named them, in the
/// instance's directory: the bootstrap file's may have been rotated away since.
pub const TRUST_FILE: &str = "snapshot-keys.json";
/// The longest key bundle, in bytes.
const KEYS_MAX: usize = 1 << 20;

/// Why a snapshot or a key bundle was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The snapshot is not to be believed.
    #[error("the snapshot was refused")]
    Refused(#[from] SnapshotError),
    /// The bootstrap file's snapshot keys are no keys.
    #[error("the bootstrap file's snapshot keys cannot be used")]
    Bootstrap(#[source] evergate_tokens::KeyRingError),
    /// The identity roots in it cannot be used.
    #[error("the snapshot's identity roots cannot be used")]
    Roots(#[from] IdentityError),
    /// The key bundle is not one.
    #[error("the key bundle is malformed")]
    Keys(#[source] serde_json::Error),
    /// The key bundle is too long.
    #[error("the key bundle is longer than {KEYS_MAX} bytes")]
    KeysTooLong,
}

/// The internal keys as they came: `keys::bundle::KeyBundle` in JSON.
#[derive(Debug, Clone)]
pub struct KeyFile {
    /// Raised with every change of a key.
    pub generation: u64,
    /// The bundle.
    pub bundle: Secret<Vec<u8>>,
}

#[derive(Deserialize)]
struct Generation {
    generation: u64,
}

/// What this instance goes by. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    verifier: Mutex<SnapshotVerifier>,
    identity: Identity,
    directory: PathBuf,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    keys: watch::Sender<Option<Arc<KeyFile>>>,
}

impl Feed {
    /// The feed of this instance, beginning with what its disk holds. A file that is damaged or not
    /// to be believed is left aside with a warning: administration will send another.
    ///
    /// # Errors
    /// When the bootstrap file's snapshot keys cannot be used.
    pub fn open(instance: &Instance) -> Result<Self, FeedError> {
        let bootstrap = &instance.bootstrap;
        let mut keys = bootstrap.snapshot_keys.clone();
        keys.extend(kept_keys(&instance.data.join(TRUST_FILE)));
        let verifier = SnapshotVerifier::new(bootstrap.lineage, bootstrap.service, &keys)
            .map_err(FeedError::Bootstrap)?;
        let feed = Self(Arc::new(Inner {
            verifier: Mutex::new(verifier),
            identity: instance.identity.clone(),
            directory: instance.data.clone(),
            snapshots: watch::Sender::new(None),
            keys: watch::Sender::new(None),
        }));
        feed.read(SNAPSHOT_FILE, |bytes| feed.apply(bytes).map(drop));
        feed.believe_bootstrap(&bootstrap.administration);
        feed.read(KEYS_FILE, |bytes| feed.apply_keys(bytes).map(drop));
        Ok(feed)
    }

    /// The snapshot on disk may be older than the bootstrap file: killed between a renewal of
    /// administration's certificate and the snapshot that tells of it, this instance would refuse the
    /// only ones who can send it a newer one. Until they do, both count.
    fn believe_bootstrap(&self, administration: &[AdministrationPeer]) {
        let Some(snapshot) = self.snapshot() else { return };
        let mut admitted = snapshot.admitted.clone();
        for peer in administration {
            let known = admitted.iter_mut().find(|entry| entry.instance == peer.instance);
            if let Some(entry) = known.filter(|entry| entry.service == Service::Administration) {
                let missing = peer.certificates.iter().filter(|one| !entry.certificates.contains(one));
                let missing: Vec<String> = missing.cloned().collect();
                entry.certificates.extend(missing);
            }
        }
        let administration = admitted.iter().filter(|entry| entry.service == Service::Administration);
        let administration = administration.map(|entry| entry.instance.clone()).collect();
        self.0.identity.set_admitted(admitted);
        // One of them may have renewed its certificate while this instance was away.
        self.0.identity.believe_newer(administration, snapshot.head.made_at.minus(CLOCK_DIFFERENCE));
    }

    fn read(&self, name: &str, apply: impl FnOnce(&[u8]) -> Result<(), FeedError>) {
        let path = self.0.directory.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => {
                if let Err(error) = apply(&bytes) {
                    tracing::warn!(file = %path.display(), error = %chain(&error), "file left aside");
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %path.display(), %error, "file cannot be read"),
        }
    }

    /// Takes a signed snapshot: verified, kept on disk, applied. Answers it.
    ///
    /// # Errors
    /// When it is not to be believed or not newer; what was in force stays.
    pub fn accept(&self, envelope: &[u8]) -> Result<Arc<Snapshot>, FeedError> {
        let snapshot = self.apply(envelope)?;
        // First the keys: they verify the snapshot when it is read again.
        let keys: Vec<_> =
            snapshot.public_keys.iter().filter(|key| key.purpose == KeyPurpose::Snapshot).collect();
        self.keep(TRUST_FILE, &serde_json::to_vec(&keys).unwrap_or_default());
        self.keep(SNAPSHOT_FILE, envelope);
        tracing::info!(
            revision = snapshot.head.revision,
            version = snapshot.head.version,
            "snapshot applied"
        );
        Ok(snapshot)
    }

    fn apply(&self, envelope: &[u8]) -> Result<Arc<Snapshot>, FeedError> {
        let mut verifier = self.0.verifier.lock().unwrap_or_else(PoisonError::into_inner);
        let verified = verifier.verify(envelope)?;
        self.0.identity.set_roots(&verified.snapshot().identity_roots)?;
        self.0.identity.set_admitted(verified.snapshot().admitted.clone());
        verifier.accept(&verified);
        let snapshot = Arc::new(verified.into_snapshot());
        self.0.snapshots.send_replace(Some(Arc::clone(&snapshot)));
        drop(verifier);
        Ok(snapshot)
    }

    /// Takes a key bundle from administration: kept on disk, applied.
    ///
    /// # Errors
    /// When it is not a key bundle; what was in force stays.
    pub fn accept_keys(&self, bundle: &[u8]) -> Result<u64, FeedError> {
        let generation = self.apply_keys(bundle)?;
        self.keep(KEYS_FILE, bundle);
        tracing::info!(generation, "internal keys applied");
        Ok(generation)
    }

    fn apply_keys(&self, bundle: &[u8]) -> Result<u64, FeedError> {
        if bundle.len() > KEYS_MAX {
            return Err(FeedError::KeysTooLong);
        }
        let Generation { generation } = serde_json::from_slice(bundle).map_err(FeedError::Keys)?;
        let bundle = Secret::new(bundle.to_vec());
        self.0.keys.send_replace(Some(Arc::new(KeyFile { generation, bundle })));
        Ok(generation)
    }

    /// A full or read-only disk must not stop an instance that runs: it is told, and tried again
    /// with the next one.
    fn keep(&self, name: &str, bytes: &[u8]) {
        let path = self.0.directory.join(name);
        if let Err(error) = files::write_private(&path, bytes) {
            tracing::error!(file = %path.display(), %error, "file cannot be written; an instance restarted now would begin with older ones");
        }
    }

    /// The snapshots; the present one is there at once, `None` only before the very first.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.0.snapshots.subscribe()
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.snapshots.borrow().clone()
    }

    /// The internal keys; the present ones are there at once, `None` only before the very first.
    #[must_use]
    pub fn keys(&self) -> watch::Receiver<Option<Arc<KeyFile>>> {
        self.0.keys.subscribe()
    }

    /// The generation of the internal keys in force; 0 before the first.
    #[must_use]
    pub fn key_generation(&self) -> u64 {
        self.0.keys.borrow().as_ref().map_or(0, |keys| keys.generation)
    }

    /// Waits until there is a snapshot.
    pub async fn first_snapshot(&self) -> Arc<Snapshot> {
        first(self.snapshots()).await
    }

    /// Waits until there are internal keys.
    pub async fn first_keys(&self) -> Arc<KeyFile> {
        first(self.keys()).await
    }
}

/// The keys in a file of ours; none where it is absent or damaged, which must not keep an instance from starting.
fn kept_keys(path: &Path) -> Vec<PublicKey> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let read = || -> Result<Vec<PublicKey>, Box<dyn std::error::Error>> {
        let keys: Vec<PublicKey> = serde_json::from_slice(&bytes)?;
        KeyRing::from_public_keys(&keys, KeyPurpose::Snapshot)?;
        Ok(keys)
    };
    read().unwrap_or_else(|error| {
        tracing::warn!(file = %path.display(), %error, "file left aside");
        Vec::new()
    })
}

async fn first<T>(mut receiver: watch::Receiver<Option<Arc<T>>>) -> Arc<T> {
    loop {
        if let Some(value) = receiver.borrow_and_update().clone() {
            return value;
        }
        if receiver.changed().await.is_err() {
            // The sender lives as long as the feed, of which the caller holds a clone.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use evergate_model::{Id, Timestamp};

    use super::*;

    fn kept(content: &str) -> usize {
        let name = format!("evergate-feed-{}-{}.json", std::process::id(), content.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        let keys = kept_keys(&path);
        std::fs::remove_file(path).unwrap();
        keys.len()
    }

    #[test]
    fn kept_keys_that_are_damaged_are_left_aside() {
        let id = Id::new(Timestamp::from_seconds(1), [1; 10]);
        // the public key of RFC 8037, appendix A.2
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".to_owned();
        let good = PublicKey { id, purpose: KeyPurpose::Snapshot, key };
        let bad = PublicKey { key: "d75a".to_owned(), ..good.clone() };
        assert_eq!(kept(&serde_json::to_string(&[&good]).unwrap()), 1);
        assert_eq!(kept(&serde_json::to_string(&[&good, &bad]).unwrap()), 0);
        assert_eq!(kept("[{"), 0);
        assert_eq!(kept_keys(Path::new("/nonexistent/snapshot-keys.json")).len(), 0);
    }
}
