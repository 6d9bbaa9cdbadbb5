//! API tokens: who may use the administration API, and for what.

use evergate_model::id::ApiToken as ApiTokenKind;
use evergate_model::{Id, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::query::query;
use crate::row::{Row, json_text};
use crate::{Actor, Connection, StoreError, Tx, audit};

/// A token, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiToken {
    /// Its id.
    pub id: Id<ApiTokenKind>,
    /// What its maker calls it.
    pub name: String,
    /// What it allows, by the names of administration's privileges.
    pub privileges: Vec<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was used last; noted once a minute at most.
    pub used_at: Option<Timestamp>,
}

/// The tokens in force, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut Connection) -> Result<Vec<ApiToken>, StoreError> {
    query("select * from api_tokens where revoked_at is null order by made_at, id")
        .fetch_all(connection)
        .await?
        .iter()
        .map(token)
        .collect()
}

/// The token in force whose hash this is.
///
/// # Errors
/// When the database does not answer.
pub async fn find_by_hash(connection: &mut Connection, hash: &str) -> Result<Option<ApiToken>, StoreError> {
    query("select * from api_tokens where hash = $1 and revoked_at is null")
        .bind(hash)
        .fetch_optional(connection)
        .await?
        .map(|row| token(&row))
        .transpose()
}

/// Adds a token.
///
/// # Errors
/// [`StoreError::Taken`] when its id or hash is there already.
pub async fn add(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    new: &ApiToken,
    hash: &str,
) -> Result<(), StoreError> {
    query("insert into api_tokens (id, name, hash, privileges, made_at) values ($1, $2, $3, $4, $5)")
        .bind(new.id.to_string())
        .bind(&new.name)
        .bind(hash)
        .bind(json_text(&new.privileges))
        .bind(new.made_at.as_milliseconds())
        .execute(tx)
        .await?;
    let detail = json!({ "name": new.name, "privileges": new.privileges });
    audit::append(tx, now, actor, "api-token.added", &new.id.to_string(), &detail).await?;
    Ok(())
}

/// Notes that a token was used.
///
/// # Errors
/// When the database does not answer.
pub async fn touch(tx: &mut Tx, now: Timestamp, id: Id<ApiTokenKind>) -> Result<(), StoreError> {
    query("update api_tokens set used_at = $2 where id = $1")
        .bind(id.to_string())
        .bind(now.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(())
}

/// Revokes a token; false where none is in force.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<ApiTokenKind>,
) -> Result<bool, StoreError> {
    let was_in_force = query("update api_tokens set revoked_at = $2 where id = $1 and revoked_at is null")
        .bind(id.to_string())
        .bind(now.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected()
        > 0;
    if was_in_force {
        audit::append(tx, now, actor, "api-token.revoked", &id.to_string(), &json!({})).await?;
    }
    Ok(was_in_force)
}

fn token(row: &Row) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: row.parsed("id")?,
        name: row.column("name")?,
        privileges: row.json("privileges")?,
        made_at: row.moment("made_at")?,
        used_at: row.moment_or_null("used_at")?,
    })
}
