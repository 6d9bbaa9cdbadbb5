//! Invitations: a link by which a new user sets the first password. The token's hash is kept, the
//! token itself is in the link alone.

use evergate_model::id::User;
use evergate_model::{Id, Timestamp};

use crate::query::query;
use crate::{Actor, Connection, StoreError, Tx, users};

/// Invites a user, in place of all invitations before; also notes it at the user.
///
/// # Errors
/// When the database does not answer.
pub async fn add(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<User>,
    token_hash: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    query("delete from invitations where user_id = $1").bind(user.to_string()).execute(tx).await?;
    query("insert into invitations (token_hash, user_id, expires_at) values ($1, $2, $3)")
        .bind(token_hash)
        .bind(user.to_string())
        .bind(expires_at.as_milliseconds())
        .execute(tx)
        .await?;
    users::set_invited(tx, actor, now, user, Some(now)).await
}

/// Whom an unused invitation that is still good invites.
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    connection: &mut Connection,
    now: Timestamp,
    token_hash: &str,
) -> Result<Option<Id<User>>, StoreError> {
    query("select user_id from invitations where token_hash = $1 and used_at is null and expires_at > $2")
        .bind(token_hash)
        .bind(now.as_milliseconds())
        .fetch_optional(connection)
        .await?
        .map(|row| row.parsed("user_id"))
        .transpose()
}

/// Uses an invitation up; `None` where it was used, has expired or never was.
///
/// # Errors
/// When the database does not answer.
pub async fn accept(tx: &mut Tx, now: Timestamp, token_hash: &str) -> Result<Option<Id<User>>, StoreError> {
    query(
        "update invitations set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2 \
         returning user_id",
    )
    .bind(token_hash)
    .bind(now.as_milliseconds())
    .fetch_optional(tx)
    .await?
    .map(|row| row.parsed("user_id"))
    .transpose()
}

/// Forgets invitations that expired before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from invitations where expires_at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}

/// Whether the user followed an invitation after `since`.
///
/// # Errors
/// When the database does not answer.
pub async fn accepted_since(
    connection: &mut Connection,
    user: Id<User>,
    since: Timestamp,
) -> Result<bool, StoreError> {
    Ok(query("select user_id from invitations where user_id = $1 and used_at > $2 limit 1")
        .bind(user.to_string())
        .bind(since.as_milliseconds())
        .fetch_optional(connection)
        .await?
        .is_some())
}
