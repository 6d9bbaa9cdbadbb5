//! Console sessions: administrators signed in to the console.

use evergate_model::id::User;
use evergate_model::{Id, Timestamp};
use serde_json::json;

use crate::query::query;
use crate::{Actor, Connection, StoreError, Tx, audit};

/// An administrator's session in the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSession {
    /// Whose it is.
    pub user: Id<User>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was used last; noted once a minute at most.
    pub used_at: Timestamp,
    /// When it ends whatever happens.
    pub ends_at: Timestamp,
}

/// The session whose token's hash this is, unless it has ended or lain idle since before
/// `idle_since`.
///
/// # Errors
/// When the database does not answer.
pub async fn find_by_hash(
    connection: &mut Connection,
    now: Timestamp,
    idle_since: Timestamp,
    hash: &str,
) -> Result<Option<ConsoleSession>, StoreError> {
    query("select * from console_sessions where hash = $1 and ends_at > $2 and used_at > $3")
        .bind(hash)
        .bind(now.as_milliseconds())
        .bind(idle_since.as_milliseconds())
        .fetch_optional(connection)
        .await?
        .map(|row| {
            Ok(ConsoleSession {
                user: row.parsed("user_id")?,
                opened_at: row.moment("opened_at")?,
                used_at: row.moment("used_at")?,
                ends_at: row.moment("ends_at")?,
            })
        })
        .transpose()
}

/// Opens a session.
///
/// # Errors
/// [`StoreError::Taken`] when that hash is there already.
pub async fn add(tx: &mut Tx, new: &ConsoleSession, hash: &str) -> Result<(), StoreError> {
    query(
        "insert into console_sessions (hash, user_id, opened_at, used_at, ends_at) values ($1, $2, $3, $4, $5)",
    )
    .bind(hash)
    .bind(new.user.to_string())
    .bind(new.opened_at.as_milliseconds())
    .bind(new.used_at.as_milliseconds())
    .bind(new.ends_at.as_milliseconds())
    .execute(tx)
    .await?;
    let actor = Actor::Administrator(new.user);
    audit::append(tx, new.opened_at, &actor, "console.signed-in", &new.user.to_string(), &json!({})).await?;
    Ok(())
}

/// Notes that a session was used.
///
/// # Errors
/// When the database does not answer.
pub async fn touch(tx: &mut Tx, now: Timestamp, hash: &str) -> Result<(), StoreError> {
    query("update console_sessions set used_at = $2 where hash = $1 and used_at < $2")
        .bind(hash)
        .bind(now.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends a session; false where there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn end(tx: &mut Tx, hash: &str) -> Result<bool, StoreError> {
    Ok(query("delete from console_sessions where hash = $1").bind(hash).execute(tx).await?.rows_affected()
        > 0)
}

/// Ends all sessions of a user.
///
/// # Errors
/// When the database does not answer.
pub async fn end_all_of(tx: &mut Tx, user: Id<User>) -> Result<(), StoreError> {
    query("delete from console_sessions where user_id = $1").bind(user.to_string()).execute(tx).await?;
    Ok(())
}

/// Forgets sessions that have ended; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from console_sessions where ends_at <= $1")
        .bind(now.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}
