//! The public keys of one purpose, by id: several generations at once, so that keys can rotate.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use data_encoding::HEXLOWER;
use evergate_model::Id;
use evergate_model::id::Key;
use evergate_model::snapshot::{KeyPurpose, PublicKey};

/// Verifies Ed25519 signatures (RFC 8032) by any of several keys.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: BTreeMap<Id<Key>, ParsedPublicKey>,
}

/// Why a public key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the public key `{0}` is not 32 bytes of Ed25519 in lower-case hex")]
pub struct KeyRingError(pub Id<Key>);

/// What came of checking a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The key made this signature.
    Genuine,
    /// The key did not make it.
    Forged,
    /// No key of that id is in the ring.
    UnknownKey,
}

impl KeyRing {
    /// The keys of `purpose` among `keys`; the others are passed over.
    ///
    /// # Errors
    /// When a key of that purpose is not an Ed25519 public key.
    pub fn from_public_keys(keys: &[PublicKey], purpose: KeyPurpose) -> Result<Self, KeyRingError> {
        let mut ring = Self::default();
        for key in keys.iter().filter(|key| key.purpose == purpose) {
            ring.keys.insert(key.id, parse(&key.key).ok_or(KeyRingError(key.id))?);
        }
        Ok(ring)
    }

    /// The ids of the keys in it.
    pub fn ids(&self) -> impl Iterator<Item = Id<Key>> + '_ {
        self.keys.keys().copied()
    }

    /// Whether it has no key: nothing can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn check(&self, key: Id<Key>, message: &[u8], signature: &[u8]) -> Checked {
        match self.keys.get(&key).map(|key| key.verify_sig(message, signature)) {
            None => Checked::UnknownKey,
            Some(Err(_)) => Checked::Forged,
            Some(Ok(())) => Checked::Genuine,
        }
    }
}

/// The key in hex; its length is checked because the parser would take other encodings too.
fn parse(hex: &str) -> Option<ParsedPublicKey> {
    let bytes: [u8; 32] = HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?;
    ParsedPublicKey::new(&ED25519, bytes).ok()
}
