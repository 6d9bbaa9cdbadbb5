//! The numbered log of sessions that were ended before their time: what makes a signed token stop
//! being good.

use evergate_model::id::Session as SessionKind;
use evergate_model::{Id, Timestamp};

use crate::query::query;
use crate::row::signed;
use crate::{Connection, StoreError, Tx};

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Counts from 1; none is given twice, and the rows that are left stand in order.
    pub number: u64,
    /// The session that was ended.
    pub session: Id<SessionKind>,
    /// No token of the session is good after that: the entry may be forgotten.
    pub forget_at: Timestamp,
}

/// Adds an entry; its number. Called by [`crate::sessions::revoke`] alone, which also ends the row.
pub(crate) async fn add(
    tx: &mut Tx,
    now: Timestamp,
    session: Id<SessionKind>,
    forget_at: Timestamp,
) -> Result<u64, StoreError> {
    let number = query("update revocation_position set last = last + 1 where only_row = 1 returning last")
        .fetch_one(tx)
        .await?
        .count("last")?;
    query("insert into revocations (number, session_id, at, forget_at) values ($1, $2, $3, $4)")
        .bind(signed(number))
        .bind(session.to_string())
        .bind(now.as_milliseconds())
        .bind(forget_at.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(number)
}

/// Entries above `after` by number, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    connection: &mut Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<Revocation>, StoreError> {
    query("select number, session_id, forget_at from revocations where number > $1 order by number limit $2")
        .bind(signed(after))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(Revocation {
                number: row.count("number")?,
                session: row.parsed("session_id")?,
                forget_at: row.moment("forget_at")?,
            })
        })
        .collect()
}

/// The number of the last entry that was ever made; 0 before the first.
///
/// # Errors
/// When the database does not answer.
pub async fn position(connection: &mut Connection) -> Result<u64, StoreError> {
    query("select last from revocation_position where only_row = 1")
        .fetch_one(connection)
        .await?
        .count("last")
}

/// Forgets entries that are of no use since before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from revocations where forget_at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}
