//! Leases: what only one instance may do at a time.

use evergate_model::{Name, Timestamp};
use serde::Serialize;

use crate::query::query;
use crate::{Connection, StoreError, Tx};

/// A lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Who holds it.
    pub holder: Name,
    /// Counts the changes of hands.
    pub term: u64,
    /// Until when, unless it is renewed.
    pub expires_at: Timestamp,
}

/// The lease of that name, whether it has expired or not.
///
/// # Errors
/// When the database does not answer.
pub async fn get(connection: &mut Connection, name: &str) -> Result<Option<Lease>, StoreError> {
    query("select * from leases where name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?
        .map(|row| {
            Ok(Lease {
                holder: row.parsed("holder")?,
                term: row.count("term")?,
                expires_at: row.moment("expires_at")?,
            })
        })
        .transpose()
}

/// Takes or renews the lease for `holder` if it is theirs, free or expired; as it stands afterwards.
///
/// # Errors
/// When the database does not answer.
pub async fn take(
    tx: &mut Tx,
    now: Timestamp,
    name: &str,
    holder: &Name,
    until: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    query(
        "insert into leases (name, holder, term, expires_at) values ($1, $2, 1, $3) \
         on conflict (name) do update set \
         term = case when leases.holder = excluded.holder then leases.term else leases.term + 1 end, \
         holder = excluded.holder, expires_at = excluded.expires_at \
         where leases.holder = excluded.holder or leases.expires_at <= $4",
    )
    .bind(name)
    .bind(holder.as_str())
    .bind(until.as_milliseconds())
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?;
    get(tx, name).await
}

/// Gives the lease up, if `holder` holds it; or hands it to `heir`.
///
/// # Errors
/// When the database does not answer.
pub async fn give_up(
    tx: &mut Tx,
    name: &str,
    holder: &Name,
    heir: Option<(&Name, Timestamp)>,
) -> Result<bool, StoreError> {
    let (heir, until) = heir.map_or((holder, Timestamp::from_milliseconds(0)), |(heir, until)| (heir, until));
    Ok(query(
        "update leases set holder = $3, expires_at = $4, \
         term = case when holder = $3 then term else term + 1 end where name = $1 and holder = $2",
    )
    .bind(name)
    .bind(holder.as_str())
    .bind(heir.as_str())
    .bind(until.as_milliseconds())
    .execute(tx)
    .await?
    .rows_affected()
        > 0)
}

/// Whether `holder` holds the lease at `now`. Asked inside the transaction of what only the holder
/// may do, it keeps out whoever held it, hung, and wakes when another has taken over.
///
/// # Errors
/// When the database does not answer.
pub async fn is_held(tx: &mut Tx, now: Timestamp, name: &str, holder: &Name) -> Result<bool, StoreError> {
    let lease = get(tx, name).await?;
    Ok(lease.is_some_and(|lease| lease.holder == *holder && lease.expires_at > now))
}
