//! Ed25519 signing keys (RFC 8032): session tokens, assertions, snapshots.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use evergate_model::id::Key;
use evergate_model::snapshot::{KeyPurpose, PublicKey, Snapshot};
use evergate_model::{Id, Secret};
use evergate_tokens::session_token::{self, Claims, EncodeError};
use evergate_tokens::snapshot;

use crate::{Assertion, KeyError, assertion};

/// A private key with the id that what it signs names.
#[derive(Debug)]
pub struct SigningKey {
    id: Id<Key>,
    pair: Ed25519KeyPair,
}

/// A signed snapshot, as instances are sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedSnapshot {
    /// The whole envelope.
    pub bytes: Vec<u8>,
    /// What identifies it: the SHA-256 of the snapshot's own bytes, hex.
    pub hash: String,
}

impl SigningKey {
    /// The key with that id and seed.
    ///
    /// # Errors
    /// When the library refuses the seed.
    pub fn from_seed(id: Id<Key>, seed: &Secret<[u8; 32]>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError::Malformed(id))?;
        Ok(Self { id, pair })
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> Id<Key> {
        self.id
    }

    /// What verifies the signatures.
    #[must_use]
    pub fn public_key(&self, purpose: KeyPurpose) -> PublicKey {
        PublicKey { id: self.id, purpose, key: HEXLOWER.encode(self.pair.public_key().as_ref()) }
    }

    /// The text of a session token that says `claims`.
    ///
    /// # Errors
    /// When the claims do not fit a token; those [without groups](Claims::without_groups) may.
    pub fn sign_session_token(&self, claims: &Claims) -> Result<String, EncodeError> {
        let unsigned = session_token::to_be_signed(claims, self.id)?;
        let signature = self.sign(unsigned.message());
        Ok(unsigned.assemble(&signature))
    }

    /// The envelope of `snapshot`.
    ///
    /// # Errors
    /// When JSON has no form for something in the snapshot.
    pub fn sign_snapshot(&self, snapshot: &Snapshot) -> Result<SignedSnapshot, serde_json::Error> {
        let unsigned = snapshot::to_be_signed(snapshot, self.id)?;
        let signature = self.sign(unsigned.message());
        Ok(SignedSnapshot { bytes: unsigned.assemble(&signature), hash: unsigned.hash() })
    }

    /// The JWT (RFC 7519, EdDSA by RFC 8037) that says `assertion`.
    #[must_use]
    pub fn sign_assertion(&self, assertion: &Assertion) -> String {
        let message = assertion::message(assertion, self.id);
        let signature = self.sign(message.as_bytes());
        assertion::assemble(message, &signature)
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        let signature = self.pair.sign(message);
        bytes.copy_from_slice(signature.as_ref());
        bytes
    }
}
