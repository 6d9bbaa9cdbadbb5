//! Hand-overs: one-use rows that carry a session from the portal host to another host.

use evergate_model::id::{HandOver as HandOverKind, Session as SessionKind};
use evergate_model::{Host, Id, Timestamp};

use crate::query::query;
use crate::{StoreError, Tx};

/// A hand-over to be made.
#[derive(Debug, Clone)]
pub struct NewHandOver {
    /// Its id.
    pub id: Id<HandOverKind>,
    /// The session it carries.
    pub session: Id<SessionKind>,
    /// The only host it is good for.
    pub host: Host,
    /// SHA-256 of the nonce in that host's cookie.
    pub nonce_hash: Vec<u8>,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Makes a hand-over.
///
/// # Errors
/// When the database does not answer.
pub async fn add(tx: &mut Tx, new: &NewHandOver) -> Result<(), StoreError> {
    query(
        "insert into hand_overs (id, session_id, host, nonce_hash, expires_at) values ($1, $2, $3, $4, $5)",
    )
    .bind(new.id.to_string())
    .bind(new.session.to_string())
    .bind(new.host.as_str())
    .bind(&new.nonce_hash)
    .bind(new.expires_at.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}

/// Uses a hand-over up: the session it carries; `None` where it was used before, has expired, is for
/// another host or another nonce, or never was. Only one of several callers at once is answered.
///
/// # Errors
/// When the database does not answer.
pub async fn redeem(
    tx: &mut Tx,
    now: Timestamp,
    id: Id<HandOverKind>,
    host: &Host,
    nonce_hash: &[u8],
) -> Result<Option<Id<SessionKind>>, StoreError> {
    query(
        "update hand_overs set used_at = $4 where id = $1 and host = $2 and nonce_hash = $3 \
         and used_at is null and expires_at > $4 returning session_id",
    )
    .bind(id.to_string())
    .bind(host.as_str())
    .bind(nonce_hash)
    .bind(now.as_milliseconds())
    .fetch_optional(tx)
    .await?
    .map(|row| row.parsed("session_id"))
    .transpose()
}

/// Forgets hand-overs that expired before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from hand_overs where expires_at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}
