//! Writes and reads the envelope, whose one form both sides share.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use evergate_model::Id;
use evergate_model::id::Key;
use evergate_model::snapshot::Snapshot;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{CONTEXT, FORMAT, SIGNATURE_LENGTH};

/// A snapshot that wants its signature.
#[derive(Debug, Clone)]
pub struct UnsignedSnapshot {
    key: Id<Key>,
    payload: String,
    message: Vec<u8>,
}

impl UnsignedSnapshot {
    /// The message that the key named in [`to_be_signed`] must sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// What identifies the snapshot: the SHA-256 of its bytes, hex.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&self.payload)
    }

    /// The envelope, with its signature.
    #[must_use]
    pub fn assemble(&self, signature: &[u8; SIGNATURE_LENGTH]) -> Vec<u8> {
        write(self.key, signature, &self.payload).into_bytes()
    }
}

/// The envelope of `snapshot`, to be signed by the key `key`.
///
/// # Errors
/// When JSON has no form for something in the snapshot.
pub fn to_be_signed(snapshot: &Snapshot, key: Id<Key>) -> Result<UnsignedSnapshot, serde_json::Error> {
    let payload = serde_json::to_string(snapshot)?;
    Ok(UnsignedSnapshot { key, message: message(key, &payload), payload })
}

/// An envelope's parts, none of which is believed yet.
pub(super) struct Envelope {
    pub(super) key: Id<Key>,
    pub(super) signature: [u8; SIGNATURE_LENGTH],
    pub(super) payload: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    format: u32,
    key: Id<Key>,
    signature: String,
    snapshot: Box<RawValue>,
}

/// The parts of an envelope; none if it is not exactly what [`UnsignedSnapshot::assemble`] writes.
pub(super) fn read(bytes: &[u8]) -> Option<Envelope> {
    let fields: Fields = serde_json::from_slice(bytes).ok()?;
    let signature = HEXLOWER.decode(fields.signature.as_bytes()).ok()?.try_into().ok()?;
    let is_exact =
        fields.format == FORMAT && write(fields.key, &signature, fields.snapshot.get()).as_bytes() == bytes;
    is_exact.then_some(Envelope { key: fields.key, signature, payload: fields.snapshot })
}

pub(super) fn message(key: Id<Key>, payload: &str) -> Vec<u8> {
    [CONTEXT, key.as_bytes(), payload.as_bytes()].concat()
}

pub(super) fn hash(payload: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, payload.as_bytes()).as_ref())
}

fn write(key: Id<Key>, signature: &[u8; SIGNATURE_LENGTH], payload: &str) -> String {
    let signature = HEXLOWER.encode(signature);
    format!(r#"{{"format":{FORMAT},"key":"{key}","signature":"{signature}","snapshot":{payload}}}"#)
}
