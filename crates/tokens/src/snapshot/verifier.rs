//! Which snapshots an instance believes.

use evergate_model::id::{Key, Lineage};
use evergate_model::snapshot::{Head, KeyPurpose, PublicKey, Snapshot};
use evergate_model::{Id, Service};

use super::{LONGEST, envelope};
use crate::key_ring::{Checked, KeyRing, KeyRingError};

/// Decides which snapshots one instance believes: those of its own installation and kind, signed
/// by a key of its bootstrap file or of the last accepted snapshot, and newer than that.
///
/// [`verify`](Self::verify) changes nothing; whoever has applied a snapshot calls
/// [`accept`](Self::accept). The bootstrap file's keys hold for as long as the file has them: an
/// emergency rotation of the snapshot key rewrites bootstrap files.
#[derive(Debug, Clone)]
pub struct SnapshotVerifier {
    lineage: Id<Lineage>,
    audience: Service,
    bootstrap: KeyRing,
    current: KeyRing,
    newest: Option<(u64, u64)>,
}

/// Why a snapshot is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is longer than any snapshot.
    #[error("the snapshot is longer than {LONGEST} bytes")]
    TooLong,
    /// It is not an envelope.
    #[error("the snapshot's envelope is malformed")]
    Malformed,
    /// The key that it names is in neither the bootstrap file nor the last accepted snapshot.
    #[error("the snapshot is signed with the unknown key `{0}`")]
    UnknownKey(Id<Key>),
    /// It was not made by the holder of the key, or was changed.
    #[error("the snapshot's signature is wrong")]
    Forged,
    /// It is genuine, but this program does not understand it.
    #[error("the snapshot is signed, yet not understood: {0}")]
    NotUnderstood(String),
    /// One of the keys in it cannot be used.
    #[error("the snapshot is signed, yet not usable")]
    Unusable(#[source] KeyRingError),
    /// It is another installation's.
    #[error("the snapshot is of the installation `{0}`")]
    OtherLineage(Id<Lineage>),
    /// It is for another kind of service.
    #[error("the snapshot is for {0}")]
    OtherAudience(Service),
    /// It is not above what was accepted.
    #[error("the snapshot is {got:?} (epoch, revision), not above {have:?}")]
    NotNewer {
        /// The accepted (epoch, revision).
        have: (u64, u64),
        /// The (epoch, revision) of this one.
        got: (u64, u64),
    },
}

/// A snapshot that is believed: made by [`SnapshotVerifier::verify`] only.
#[derive(Debug, Clone)]
pub struct VerifiedSnapshot {
    snapshot: Snapshot,
    keys: KeyRing,
    hash: String,
}

impl VerifiedSnapshot {
    /// What it says.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What it says, to keep.
    #[must_use]
    pub fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }

    /// What identifies it: the SHA-256 of its bytes, hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl SnapshotVerifier {
    /// A verifier for an instance of `audience` in the installation `lineage`, which has accepted
    /// nothing yet; of `bootstrap_keys` those for snapshots count.
    ///
    /// # Errors
    /// When one of them is not an Ed25519 public key.
    pub fn new(
        lineage: Id<Lineage>,
        audience: Service,
        bootstrap_keys: &[PublicKey],
    ) -> Result<Self, KeyRingError> {
        let bootstrap = KeyRing::from_public_keys(bootstrap_keys, KeyPurpose::Snapshot)?;
        Ok(Self { lineage, audience, bootstrap, current: KeyRing::default(), newest: None })
    }

    /// The (epoch, revision) accepted last.
    #[must_use]
    pub const fn newest(&self) -> Option<(u64, u64)> {
        self.newest
    }

    /// The snapshot in `bytes`, if it is to be believed.
    ///
    /// # Errors
    /// Says which of the tests it failed first.
    pub fn verify(&self, bytes: &[u8]) -> Result<VerifiedSnapshot, SnapshotError> {
        let verified = self.genuine(bytes)?;
        self.concerns(&verified.snapshot.head)?;
        Ok(verified)
    }

    /// Raises the bar to `accepted` and believes its keys from now on, in place of those of the
    /// snapshot before it.
    pub fn accept(&mut self, accepted: &VerifiedSnapshot) {
        self.newest = Some(position(&accepted.snapshot.head));
        self.current = accepted.keys.clone();
    }

    fn genuine(&self, bytes: &[u8]) -> Result<VerifiedSnapshot, SnapshotError> {
        if bytes.len() > LONGEST {
            return Err(SnapshotError::TooLong);
        }
        let envelope = envelope::read(bytes).ok_or(SnapshotError::Malformed)?;
        let payload = envelope.payload.get();
        let message = envelope::message(envelope.key, payload);
        let check = |ring: &KeyRing| ring.check(envelope.key, &message, &envelope.signature);
        match (check(&self.bootstrap), check(&self.current)) {
            (Checked::Genuine, _) | (_, Checked::Genuine) => {}
            (Checked::UnknownKey, Checked::UnknownKey) => {
                return Err(SnapshotError::UnknownKey(envelope.key));
            }
            _ => return Err(SnapshotError::Forged),
        }
        let snapshot: Snapshot =
            serde_json::from_str(payload).map_err(|error| SnapshotError::NotUnderstood(error.to_string()))?;
        let keys = KeyRing::from_public_keys(&snapshot.public_keys, KeyPurpose::Snapshot)
            .map_err(SnapshotError::Unusable)?;
        Ok(VerifiedSnapshot { hash: envelope::hash(payload), snapshot, keys })
    }

    fn concerns(&self, head: &Head) -> Result<(), SnapshotError> {
        if head.lineage != self.lineage {
            return Err(SnapshotError::OtherLineage(head.lineage));
        }
        if head.audience != self.audience {
            return Err(SnapshotError::OtherAudience(head.audience));
        }
        match self.newest {
            Some(have) if position(head) <= have => {
                Err(SnapshotError::NotNewer { have, got: position(head) })
            }
            _ => Ok(()),
        }
    }
}

const fn position(head: &Head) -> (u64, u64) {
    (head.epoch, head.revision)
}
