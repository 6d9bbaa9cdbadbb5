//! Certificates that browsers see: one per host from the local CA, and those brought along.

use std::fmt;

use evergate_model::{Host, Timestamp};

use crate::query::query;
use crate::row::json_text;
use crate::{Connection, StoreError, Tx};

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct HostCertificate {
    /// Where it comes from: `local:HOST` or `file:PATH`.
    pub name: String,
    /// The hosts it is used for.
    pub hosts: Vec<Host>,
    /// The chain, PEM, leaf first.
    pub chain: String,
    /// The key (PEM), sealed.
    pub sealed: Vec<u8>,
    /// When it expires.
    pub not_after: Timestamp,
    /// When it was made or read.
    pub made_at: Timestamp,
}

impl fmt::Debug for HostCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCertificate").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All of them, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut Connection) -> Result<Vec<HostCertificate>, StoreError> {
    query("select * from host_certificates order by name")
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(HostCertificate {
                name: row.column("name")?,
                hosts: row.json("hosts")?,
                chain: row.column("chain")?,
                sealed: row.column("sealed")?,
                not_after: row.moment("not_after")?,
                made_at: row.moment("made_at")?,
            })
        })
        .collect()
}

/// Adds one, or replaces the one of that name.
///
/// # Errors
/// When the database does not answer.
pub async fn put(tx: &mut Tx, new: &HostCertificate) -> Result<(), StoreError> {
    query(
        "insert into host_certificates (name, hosts, chain, sealed, not_after, made_at) \
         values ($1, $2, $3, $4, $5, $6) on conflict (name) do update set hosts = excluded.hosts, \
         chain = excluded.chain, sealed = excluded.sealed, not_after = excluded.not_after, made_at = excluded.made_at",
    )
    .bind(&new.name)
    .bind(json_text(&new.hosts))
    .bind(&new.chain)
    .bind(&new.sealed)
    .bind(new.not_after.as_milliseconds())
    .bind(new.made_at.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes one.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    query("delete from host_certificates where name = $1").bind(name).execute(tx).await?;
    Ok(())
}
