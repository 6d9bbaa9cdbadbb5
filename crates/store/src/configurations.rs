//! Configurations: numbered immutable published versions, and one draft.

use evergate_model::{Configuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::query::query;
use crate::row::{Row, json_text, signed};
use crate::{Actor, Connection, StoreError, Tx, audit};

/// What is known of a published version besides its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Counts from 1 without gaps.
    pub number: u64,
    /// Who published it, as [`Actor`] prints.
    pub author: String,
    /// Why.
    pub comment: String,
    /// The version that was published anew by it.
    pub rollback_of: Option<u64>,
    /// When.
    pub published_at: Timestamp,
}

/// What is being prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The version it was made from.
    pub based_on: u64,
    /// Its content.
    pub configuration: Configuration,
    /// Who changed it last.
    pub author: String,
    /// When.
    pub changed_at: Timestamp,
}

/// The latest published version with its number; `None` before the first.
///
/// # Errors
/// When the database does not answer.
pub async fn latest(connection: &mut Connection) -> Result<Option<(u64, Configuration)>, StoreError> {
    query("select number, configuration from versions order by number desc limit 1")
        .fetch_optional(connection)
        .await?
        .map(|row| Ok((row.count("number")?, row.json("configuration")?)))
        .transpose()
}

/// The content of a version.
///
/// # Errors
/// When the database does not answer.
pub async fn get(connection: &mut Connection, number: u64) -> Result<Option<Configuration>, StoreError> {
    query("select configuration from versions where number = $1")
        .bind(signed(number))
        .fetch_optional(connection)
        .await?
        .map(|row| row.json("configuration"))
        .transpose()
}

/// The published versions, latest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut Connection, limit: u32) -> Result<Vec<Version>, StoreError> {
    query(
        "select number, author, comment, rollback_of, published_at from versions order by number desc limit $1",
    )
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?
    .iter()
    .map(version)
    .collect()
}

/// A version to publish.
#[derive(Debug, Clone)]
pub struct NewVersion<'a> {
    /// The version it was made from, which must still be the latest (0 before the first).
    pub base: u64,
    /// Its content.
    pub configuration: &'a Configuration,
    /// Why.
    pub comment: &'a str,
    /// The version that it publishes anew.
    pub rollback_of: Option<u64>,
}

/// Publishes a version; its number, or `None` where `base` is not the latest any more.
///
/// # Errors
/// When the database does not answer.
pub async fn publish(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    new: &NewVersion<'_>,
) -> Result<Option<u64>, StoreError> {
    let row = query(
        "insert into versions (number, configuration, author, comment, rollback_of, published_at) \
         select $1 + 1, $2, $3, $4, $5, $6 where $1 = (select coalesce(max(number), 0) from versions) \
         returning number",
    )
    .bind(signed(new.base))
    .bind(json_text(new.configuration))
    .bind(actor.to_string())
    .bind(new.comment)
    .bind(new.rollback_of.map(signed))
    .bind(now.as_milliseconds())
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let number = row.count("number")?;
    let detail = json!({ "comment": new.comment, "rollback_of": new.rollback_of });
    audit::append(tx, now, actor, "configuration.published", &number.to_string(), &detail).await?;
    Ok(Some(number))
}

/// The draft, if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn draft(connection: &mut Connection) -> Result<Option<Draft>, StoreError> {
    query("select * from draft where id = 1")
        .fetch_optional(connection)
        .await?
        .map(|row| {
            Ok(Draft {
                based_on: row.count("based_on")?,
                configuration: row.json("configuration")?,
                author: row.column("author")?,
                changed_at: row.moment("changed_at")?,
            })
        })
        .transpose()
}

/// Makes `configuration` the draft.
///
/// # Errors
/// When the database does not answer.
pub async fn set_draft(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    based_on: u64,
    configuration: &Configuration,
) -> Result<(), StoreError> {
    query(
        "insert into draft (id, based_on, configuration, author, changed_at) values (1, $1, $2, $3, $4) \
         on conflict (id) do update set based_on = excluded.based_on, configuration = excluded.configuration, \
         author = excluded.author, changed_at = excluded.changed_at",
    )
    .bind(signed(based_on))
    .bind(json_text(configuration))
    .bind(actor.to_string())
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?;
    audit::append(tx, now, actor, "configuration.drafted", "draft", &json!({ "base": based_on })).await?;
    Ok(())
}

/// Drops the draft, if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn drop_draft(tx: &mut Tx) -> Result<(), StoreError> {
    query("delete from draft where id = 1").execute(tx).await?;
    Ok(())
}

fn version(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        number: row.count("number")?,
        author: row.column("author")?,
        comment: row.column("comment")?,
        rollback_of: row.column::<Option<i64>>("rollback_of")?.and_then(|number| u64::try_from(number).ok()),
        published_at: row.moment("published_at")?,
    })
}
