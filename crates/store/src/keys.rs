//! Keys, sealed: the bundle of each kind of service, and the certificate authorities.

use std::fmt;

use evergate_model::id::Key;
use evergate_model::{Id, Service, Timestamp};
use serde_json::json;

use crate::query::query;
use crate::row::signed;
use crate::{Actor, Connection, StoreError, Tx, audit};

/// The private keys of one kind of service.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredBundle {
    /// Whose instances hold them.
    pub service: Service,
    /// Counts the changes.
    pub generation: u64,
    /// The bundle, sealed.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for StoredBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredBundle")
            .field("service", &self.service)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The bundle of one service.
///
/// # Errors
/// When the database does not answer.
pub async fn bundle(
    connection: &mut Connection,
    service: Service,
) -> Result<Option<StoredBundle>, StoreError> {
    query("select service, generation, sealed from key_bundles where service = $1")
        .bind(service.as_str())
        .fetch_optional(connection)
        .await?
        .map(|row| {
            Ok(StoredBundle {
                service: row.parsed("service")?,
                generation: row.count("generation")?,
                sealed: row.column("sealed")?,
            })
        })
        .transpose()
}

/// The generation of one service's bundle; 0 where there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn generation(connection: &mut Connection, service: Service) -> Result<u64, StoreError> {
    query("select coalesce(max(generation), 0) as generation from key_bundles where service = $1")
        .bind(service.as_str())
        .fetch_one(connection)
        .await?
        .count("generation")
}

/// Adds a bundle, or replaces the one of a lower generation; false where there is no lower one.
///
/// # Errors
/// When the database does not answer.
pub async fn put_bundle(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    new: &StoredBundle,
) -> Result<bool, StoreError> {
    let is_newer = query(
        "insert into key_bundles (service, generation, sealed, changed_at) values ($1, $2, $3, $4) \
         on conflict (service) do update set generation = excluded.generation, sealed = excluded.sealed, \
         changed_at = excluded.changed_at where excluded.generation > key_bundles.generation",
    )
    .bind(new.service.as_str())
    .bind(signed(new.generation))
    .bind(&new.sealed)
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?
    .rows_affected()
        > 0;
    if is_newer {
        let detail = json!({ "generation": new.generation });
        audit::append(tx, now, actor, "keys.changed", new.service.as_str(), &detail).await?;
    }
    Ok(is_newer)
}

/// Whom an authority's certificates are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instances, which show them to each other.
    Identity,
    /// Hosts, which show them to browsers.
    Local,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Local => "local",
        }
    }
}

/// A certificate authority.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAuthority {
    /// Its id.
    pub id: Id<Key>,
    /// Whether it issues; one that does not is only believed.
    pub is_issuing: bool,
    /// Its certificate, PEM.
    pub certificate: String,
    /// Its key (PEM), sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
}

impl fmt::Debug for StoredAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredAuthority").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The authorities of one role, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn authorities(
    connection: &mut Connection,
    role: Role,
) -> Result<Vec<StoredAuthority>, StoreError> {
    query("select * from authorities where role = $1 order by made_at, id")
        .bind(role.as_str())
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(StoredAuthority {
                id: row.parsed("id")?,
                is_issuing: row.column::<String>("state")? == "issuing",
                certificate: row.column("certificate")?,
                sealed: row.column("sealed")?,
                made_at: row.moment("made_at")?,
            })
        })
        .collect()
}

/// Adds an authority.
///
/// # Errors
/// [`StoreError::Taken`] when its id is there already.
pub async fn add_authority(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    role: Role,
    new: &StoredAuthority,
) -> Result<(), StoreError> {
    query(
        "insert into authorities (id, role, state, certificate, sealed, made_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.to_string())
    .bind(role.as_str())
    .bind(state(new.is_issuing))
    .bind(&new.certificate)
    .bind(&new.sealed)
    .bind(new.made_at.as_milliseconds())
    .execute(tx)
    .await?;
    audit::append(tx, now, actor, "authority.added", role.as_str(), &json!({ "key": new.id })).await?;
    Ok(())
}

/// Makes one authority of a role the one that issues; the others are only believed.
///
/// # Errors
/// When the database does not answer.
pub async fn set_issuing(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    role: Role,
    id: Id<Key>,
) -> Result<(), StoreError> {
    query(
        "update authorities set state = case when id = $2 then 'issuing' else 'believed' end where role = $1",
    )
    .bind(role.as_str())
    .bind(id.to_string())
    .execute(tx)
    .await?;
    audit::append(tx, now, actor, "authority.issues", role.as_str(), &json!({ "key": id })).await?;
    Ok(())
}

/// Removes an authority: what it issued is believed no more.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_authority(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<Key>,
) -> Result<(), StoreError> {
    query("delete from authorities where id = $1").bind(id.to_string()).execute(tx).await?;
    audit::append(tx, now, actor, "authority.removed", &id.to_string(), &json!({})).await?;
    Ok(())
}

const fn state(is_issuing: bool) -> &'static str {
    if is_issuing { "issuing" } else { "believed" }
}
