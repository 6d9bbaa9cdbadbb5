//! What must happen once: a write carries a key, and its outcome is returned on repetition.
//!
//! In the write's own transaction: [`find`] first; where it gives nothing, do the work, then
//! [`remember`]. A caller that lost the answer repeats the key, at any instance, and learns what
//! came of it. `fingerprint` is what the caller wanted (a hash of the request): the same key with
//! another one is a mistake, not a repetition.

use evergate_model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::row::{Columns, json_text};
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
    let row = sqlx::query("select fingerprint, outcome from effects where key = $1")
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
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
    sqlx::query("insert into effects (key, fingerprint, outcome, at) values ($1, $2, $3, $4)")
        .bind(key)
        .bind(fingerprint)
        .bind(json_text(outcome))
        .bind(now.as_milliseconds())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets effects from before `before`; how many. A day is ample: callers repeat within seconds.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query("delete from effects where at < $1")
        .bind(before.as_milliseconds())
        .execute(&mut **tx)
        .await?
        .rows_affected())
}
