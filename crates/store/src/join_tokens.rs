//! Join tokens: by one of them a machine gets the bootstrap files of the instances that `network.yml`
//! puts on its node, once. The token's hash is kept; the token itself is in the file that is carried there.

use evergate_model::{Name, Timestamp};
use serde_json::json;

use crate::query::query;
use crate::{Actor, Connection, StoreError, Tx, audit};

/// Adds a token for a node, in place of all of that node's before.
///
/// # Errors
/// [`StoreError::Taken`] when its hash is there already.
pub async fn add(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    node: &Name,
    hash: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    query("delete from join_tokens where node = $1").bind(node.as_str()).execute(tx).await?;
    query("insert into join_tokens (hash, node, made_at, expires_at) values ($1, $2, $3, $4)")
        .bind(hash)
        .bind(node.as_str())
        .bind(now.as_milliseconds())
        .bind(expires_at.as_milliseconds())
        .execute(tx)
        .await?;
    let detail = json!({ "expires_at": expires_at.as_milliseconds() });
    audit::append(tx, now, actor, "join-token.added", node.as_str(), &detail).await?;
    Ok(())
}

/// The node of a token that has not expired, used or not: whoever repeats a request is who made it.
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    connection: &mut Connection,
    now: Timestamp,
    hash: &str,
) -> Result<Option<Name>, StoreError> {
    query("select node from join_tokens where hash = $1 and expires_at > $2")
        .bind(hash)
        .bind(now.as_milliseconds())
        .fetch_optional(connection)
        .await?
        .map(|row| row.parsed("node"))
        .transpose()
}

/// Uses a node's token up; false where it was used, has expired or never was.
///
/// # Errors
/// When the database does not answer.
pub async fn accept(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    node: &Name,
    hash: &str,
) -> Result<bool, StoreError> {
    let was_good = query(
        "update join_tokens set used_at = $3 where hash = $1 and node = $2 and used_at is null and expires_at > $3",
    )
    .bind(hash)
    .bind(node.as_str())
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?
    .rows_affected()
        > 0;
    if was_good {
        audit::append(tx, now, actor, "node.joined", node.as_str(), &json!({})).await?;
    }
    Ok(was_good)
}
