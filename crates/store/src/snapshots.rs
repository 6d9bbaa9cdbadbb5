//! Signed snapshots: the latest of each service.

use evergate_model::{Service, Timestamp};

use crate::query::query;
use crate::row::signed;
use crate::{Connection, StoreError, Tx};

/// The latest snapshot of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// Which service it is for.
    pub audience: Service,
    /// Its revision.
    pub revision: u64,
    /// The configuration version in it.
    pub version: u64,
    /// Its bytes, sealed.
    pub sealed: Vec<u8>,
}

/// The latest snapshot for a service, if it is above revision `above`.
///
/// # Errors
/// When the database does not answer.
pub async fn find_newer(
    connection: &mut Connection,
    audience: Service,
    above: u64,
) -> Result<Option<StoredSnapshot>, StoreError> {
    query("select * from snapshots where audience = $1 and revision > $2")
        .bind(audience.as_str())
        .bind(signed(above))
        .fetch_optional(connection)
        .await?
        .map(|row| {
            Ok(StoredSnapshot {
                audience: row.parsed("audience")?,
                revision: row.count("revision")?,
                version: row.count("version")?,
                sealed: row.column("sealed")?,
            })
        })
        .transpose()
}

/// Replaces a service's snapshot by a higher one.
///
/// # Errors
/// When the database does not answer.
pub async fn put(tx: &mut Tx, now: Timestamp, new: &StoredSnapshot) -> Result<(), StoreError> {
    query(
        "insert into snapshots (audience, revision, version, sealed, made_at) values ($1, $2, $3, $4, $5) \
         on conflict (audience) do update set revision = excluded.revision, version = excluded.version, \
         sealed = excluded.sealed, made_at = excluded.made_at where excluded.revision > snapshots.revision",
    )
    .bind(new.audience.as_str())
    .bind(signed(new.revision))
    .bind(signed(new.version))
    .bind(&new.sealed)
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}
