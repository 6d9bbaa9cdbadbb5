//! What must happen once: a write carries a key, and its outcome is returned on repetition.
//!
//! In the write's own transaction: [`find`] first; where it gives nothing, do the work, then
//! [`remember`] ([`Effect`] does both for calls between services). A caller that lost the answer
//! repeats the key, at any instance, and learns what came of it; so does an instance that hung
//! before its transaction and wakes when another has done the work. `fingerprint` is what the
//! caller wanted (a hash of the request): the same key with another one is a mistake, not a
//! repetition.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use evergate_model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::query::query;
use crate::row::json_text;
use crate::{StoreError, Tx};

/// What came of the write of this key, if it was done before.
///
/// # Errors
/// [`StoreError::OtherEffect`] when the key was used for another fingerprint.
pub async fn find<T: DeserializeOwned>(
    tx: &mut Tx,
    key: &str,
    fingerprint: &str,
) -> Result<Option<T>, StoreError> {
    let row =
        query("select fingerprint, outcome from effects where key = $1").bind(key).fetch_optional(tx).await?;
    match row {
        None => Ok(None),
        Some(row) if row.column::<String>("fingerprint")? == fingerprint => Ok(Some(row.json("outcome")?)),
        Some(_) => Err(StoreError::OtherEffect(key.to_owned())),
    }
}

/// Keeps what came of the write of this key.
///
/// # Errors
/// [`StoreError::Taken`] when the key is there already, which a [`find`] before rules out.
pub async fn remember<T: Serialize>(
    tx: &mut Tx,
    key: &str,
    fingerprint: &str,
    outcome: &T,
    now: Timestamp,
) -> Result<(), StoreError> {
    query("insert into effects (key, fingerprint, outcome, at) values ($1, $2, $3, $4)")
        .bind(key)
        .bind(fingerprint)
        .bind(json_text(outcome))
        .bind(now.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets effects from before `before`; how many. A day is ample: callers repeat within seconds.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from effects where at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}

/// How long a caller's key is, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// A caller's key that is too short to be one, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not 16 to 64 bytes long")]
pub struct NoKey;

/// One write of a caller from another service: its key, and what it is for.
#[derive(Debug, Clone)]
pub struct Effect {
    key: String,
    fingerprint: String,
}

impl Effect {
    /// The effect `call` with the caller's key; `wanted` is all that makes it this effect and no
    /// other (never a short secret: the fingerprint would give it away).
    ///
    /// # Errors
    /// When the key is too short or too long.
    pub fn new(call: &str, key: &[u8], wanted: &[&[u8]]) -> Result<Self, NoKey> {
        if !KEY_BYTES.contains(&key.len()) {
            return Err(NoKey);
        }
        Ok(Self { key: format!("{call}:{}", HEXLOWER.encode(key)), fingerprint: fingerprint(wanted) })
    }

    /// What came of it before, if it was done.
    ///
    /// # Errors
    /// As [`find`].
    pub async fn done<T: DeserializeOwned>(&self, tx: &mut Tx) -> Result<Option<T>, StoreError> {
        find(tx, &self.key, &self.fingerprint).await
    }

    /// Keeps what came of it.
    ///
    /// # Errors
    /// As [`remember`].
    pub async fn keep<T: Serialize>(
        &self,
        tx: &mut Tx,
        outcome: &T,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        remember(tx, &self.key, &self.fingerprint, outcome, now).await
    }
}

/// A hash of parts, each with its length, so that no two lists of parts look alike.
fn fingerprint(parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    HEXLOWER.encode(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_where_parts_begin() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_eq!(fingerprint(&[b"ab"]), fingerprint(&[b"ab"]));
    }

    #[test]
    fn a_key_must_be_long_enough_to_be_one() {
        assert!(Effect::new("open", b"short", &[]).is_err());
        assert!(Effect::new("open", &[0; 32], &[]).is_ok());
        assert!(Effect::new("open", &[0; 65], &[]).is_err());
    }
}
