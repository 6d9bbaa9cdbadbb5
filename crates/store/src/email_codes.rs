//! Codes sent by e-mail: good once, for a few minutes and a few tries.

use evergate_model::id::{SignIn, User};
use evergate_model::{Id, Timestamp};

use crate::query::query;
use crate::{StoreError, Tx};

/// A code to remember.
#[derive(Debug, Clone)]
pub struct EmailCode<'a> {
    /// The run through the sign-in pages it was sent in.
    pub sign_in: Id<SignIn>,
    /// Who it was sent to.
    pub user: Id<User>,
    /// A keyed hash of it.
    pub hash: &'a str,
    /// How often one may guess.
    pub tries: u32,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// It was right, and is used up.
    Right,
    /// It was wrong; another try is left.
    Wrong,
    /// There is no code any more: used, expired, or guessed at too often.
    Gone,
}

/// Remembers a code, in place of the one sent before in this sign-in.
///
/// # Errors
/// When the database does not answer.
pub async fn put(tx: &mut Tx, code: &EmailCode<'_>) -> Result<(), StoreError> {
    query(
        "insert into email_codes (sign_in, user_id, hash, tries_left, expires_at) values ($1, $2, $3, $4, $5) \
         on conflict (sign_in) do update set user_id = excluded.user_id, hash = excluded.hash, \
         tries_left = excluded.tries_left, expires_at = excluded.expires_at",
    )
    .bind(code.sign_in.to_string())
    .bind(code.user.to_string())
    .bind(code.hash)
    .bind(i64::from(code.tries))
    .bind(code.expires_at.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}

/// Tries a code; commit the transaction whatever comes of it.
///
/// # Errors
/// When the database does not answer.
pub async fn take(
    tx: &mut Tx,
    now: Timestamp,
    sign_in: Id<SignIn>,
    user: Id<User>,
    hash: &str,
) -> Result<Try, StoreError> {
    let right = query(
        "delete from email_codes where sign_in = $1 and user_id = $2 and hash = $3 and tries_left > 0 and expires_at > $4",
    )
    .bind(sign_in.to_string())
    .bind(user.to_string())
    .bind(hash)
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?
    .rows_affected();
    if right > 0 {
        return Ok(Try::Right);
    }
    let left = query(
        "update email_codes set tries_left = tries_left - 1 \
         where sign_in = $1 and tries_left > 0 and expires_at > $2 returning tries_left",
    )
    .bind(sign_in.to_string())
    .bind(now.as_milliseconds())
    .fetch_optional(tx)
    .await?;
    match left {
        Some(row) if row.count("tries_left")? > 0 => Ok(Try::Wrong),
        _ => Ok(Try::Gone),
    }
}

/// Forgets codes that expired before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from email_codes where expires_at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}
