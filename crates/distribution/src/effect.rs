//! Writes that must happen once: the key a caller sends and repeats, and what came of it.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use evergate_model::Timestamp;
use evergate_store::{StoreError, Tx, effects};
use evergate_wire::convert::ConvertError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The key of one write, and what it is for.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    key: String,
    fingerprint: String,
}

impl Effect {
    /// The effect `call` with the caller's key; `wanted` is what makes it this effect and no other
    /// (never a short secret: the fingerprint would give it away).
    pub(crate) fn new(call: &str, key: &[u8], wanted: &[&str]) -> Result<Self, ConvertError> {
        if !(16..=64).contains(&key.len()) {
            return Err(ConvertError::new("effect_key", "it is not 16 to 64 bytes long"));
        }
        Ok(Self { key: format!("{call}:{}", HEXLOWER.encode(key)), fingerprint: fingerprint(wanted) })
    }

    /// What came of it before, if it was done.
    pub(crate) async fn done<T: DeserializeOwned>(&self, tx: &mut Tx) -> Result<Option<T>, StoreError> {
        effects::find(tx, &self.key, &self.fingerprint).await
    }

    /// Keeps what came of it.
    pub(crate) async fn keep<T: Serialize>(
        &self,
        tx: &mut Tx,
        outcome: &T,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        effects::remember(tx, &self.key, &self.fingerprint, outcome, now).await
    }
}

/// A hash of parts, each with its length, so that no two lists of parts look alike.
fn fingerprint(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    HEXLOWER.encode(context.finish().as_ref())
}
