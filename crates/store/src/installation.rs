//! The installation: lineage, epoch, topology, and the revision that counts every change of
//! anything in a snapshot.

use evergate_model::id::Lineage;
use evergate_model::{Id, Timestamp, Topology};

use serde_json::json;

use crate::audit;
use crate::query::query;
use crate::row::{json_text, signed};
use crate::{Actor, Connection, StoreError, Tx};

/// The installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What all of its instances, keys and snapshots belong to.
    pub lineage: Id<Lineage>,
    /// Raised when it is restored from a backup.
    pub epoch: u64,
    /// The revision of the latest snapshots.
    pub revision: u64,
    /// Its instances.
    pub topology: Topology,
    /// When it was made.
    pub made_at: Timestamp,
}

/// The installation; `None` before it is made.
///
/// # Errors
/// When the database does not answer.
pub async fn get(connection: &mut Connection) -> Result<Option<Installation>, StoreError> {
    let row = query("select * from installation where id = 1").fetch_optional(connection).await?;
    row.map(|row| {
        Ok(Installation {
            lineage: row.parsed("lineage")?,
            epoch: row.count("epoch")?,
            revision: row.count("revision")?,
            topology: row.json("topology")?,
            made_at: row.moment("made_at")?,
        })
    })
    .transpose()
}

/// Makes the installation, at revision 0.
///
/// # Errors
/// [`StoreError::Taken`] when there is one.
pub async fn add(tx: &mut Tx, new: &Installation) -> Result<(), StoreError> {
    query(
        "insert into installation (id, lineage, epoch, revision, topology, made_at) values (1, $1, $2, $3, $4, $5)",
    )
    .bind(new.lineage.to_string())
    .bind(signed(new.epoch))
    .bind(signed(new.revision))
    .bind(json_text(&new.topology))
    .bind(new.made_at.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}

/// Replaces the topology; false where it is the same.
///
/// # Errors
/// When the database does not answer.
pub async fn set_topology(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    topology: &Topology,
) -> Result<bool, StoreError> {
    let is_changed = query("update installation set topology = $1 where id = 1 and topology <> $1")
        .bind(json_text(topology))
        .execute(tx)
        .await?
        .rows_affected()
        > 0;
    if is_changed {
        let places = topology.instances.iter();
        let places: Vec<_> = places.map(|one| format!("{} on {}", one.name, one.node)).collect();
        audit::append(tx, now, actor, "topology.changed", "topology", &json!({ "instances": places }))
            .await?;
    }
    Ok(is_changed)
}

/// Raises the revision by one; the new one.
///
/// # Errors
/// When the database does not answer, or there is no installation.
pub async fn next_revision(tx: &mut Tx) -> Result<u64, StoreError> {
    query("update installation set revision = revision + 1 where id = 1 returning revision")
        .fetch_one(tx)
        .await?
        .count("revision")
}
