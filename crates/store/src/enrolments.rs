//! Enrolments: soft tokens that were handed out and not yet bound by a right code.

use evergate_model::id::{Enrolment as EnrolmentKind, User};
use evergate_model::{Id, Timestamp};

use crate::query::query;
use crate::{Connection, StoreError, Tx};

/// How many unfinished enrolments a user may have: more tabs than anybody opens.
const MOST: i64 = 5;

/// An enrolment to begin.
#[derive(Debug, Clone)]
pub struct NewEnrolment<'a> {
    /// Its id.
    pub id: Id<EnrolmentKind>,
    /// Whose soft token it will be.
    pub user: Id<User>,
    /// The seed, sealed.
    pub sealed: &'a [u8],
    /// How many codes may be tried.
    pub tries: u32,
    /// From when on it is gone.
    pub expires_at: Timestamp,
}

/// Begins an enrolment; the user's oldest unfinished ones beyond five are dropped.
///
/// # Errors
/// [`StoreError::Taken`] when the id is there already.
pub async fn add(tx: &mut Tx, new: &NewEnrolment<'_>) -> Result<(), StoreError> {
    query(
        "delete from enrolments where user_id = $1 and id not in \
         (select id from enrolments where user_id = $1 order by expires_at desc, id desc limit $2)",
    )
    .bind(new.user.to_string())
    .bind(MOST - 1)
    .execute(tx)
    .await?;
    query("insert into enrolments (id, user_id, sealed, tries_left, expires_at) values ($1, $2, $3, $4, $5)")
        .bind(new.id.to_string())
        .bind(new.user.to_string())
        .bind(new.sealed)
        .bind(i64::from(new.tries))
        .bind(new.expires_at.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(())
}

/// The sealed seed of an enrolment that is still open; none where there is none of that user.
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    connection: &mut Connection,
    now: Timestamp,
    user: Id<User>,
    id: Id<EnrolmentKind>,
) -> Result<Option<Vec<u8>>, StoreError> {
    query(
        "select sealed from enrolments where id = $1 and user_id = $2 and expires_at > $3 and tries_left > 0",
    )
    .bind(id.to_string())
    .bind(user.to_string())
    .bind(now.as_milliseconds())
    .fetch_optional(connection)
    .await?
    .map(|row| row.column("sealed"))
    .transpose()
}

/// Takes one try and gives the sealed seed to try with; none where the enrolment has expired, has
/// no try left, is another user's, or never was.
///
/// # Errors
/// When the database does not answer.
pub async fn take_try(
    tx: &mut Tx,
    now: Timestamp,
    user: Id<User>,
    id: Id<EnrolmentKind>,
) -> Result<Option<Vec<u8>>, StoreError> {
    query(
        "update enrolments set tries_left = tries_left - 1 \
         where id = $1 and user_id = $2 and expires_at > $3 and tries_left > 0 returning sealed",
    )
    .bind(id.to_string())
    .bind(user.to_string())
    .bind(now.as_milliseconds())
    .fetch_optional(tx)
    .await?
    .map(|row| row.column("sealed"))
    .transpose()
}

/// Removes an enrolment: it was bound.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(tx: &mut Tx, id: Id<EnrolmentKind>) -> Result<(), StoreError> {
    query("delete from enrolments where id = $1").bind(id.to_string()).execute(tx).await?;
    Ok(())
}

/// Forgets enrolments that expired before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    let result = query("delete from enrolments where expires_at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(result.rows_affected())
}
