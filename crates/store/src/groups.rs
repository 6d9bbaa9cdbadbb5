//! Groups: what access rules ask about users.

use evergate_model::id::User as UserKind;
use evergate_model::{Id, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::query::query;
use crate::{Actor, Connection, StoreError, Tx, audit};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its name, as in `group("staff")`.
    pub name: String,
    /// How many users are in it.
    pub members: u64,
}

/// The group whose members may administer the installation.
pub const ADMINISTRATORS: &str = "administrators";

/// All groups by name after `after`, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut Connection, after: &str, limit: u32) -> Result<Vec<Group>, StoreError> {
    query(
        "select name, (select count(*) from members where group_name = groups.name) as members \
         from groups where name > $1 order by name limit $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?
    .iter()
    .map(|row| Ok(Group { name: row.column("name")?, members: row.count("members")? }))
    .collect()
}

/// Whether there is a group of that name.
///
/// # Errors
/// When the database does not answer.
pub async fn exists(connection: &mut Connection, name: &str) -> Result<bool, StoreError> {
    Ok(query("select name from groups where name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?
        .is_some())
}

/// The groups a user is in, sorted.
///
/// # Errors
/// When the database does not answer.
pub async fn names_of(connection: &mut Connection, user: Id<UserKind>) -> Result<Vec<String>, StoreError> {
    query("select group_name from members where user_id = $1 order by group_name")
        .bind(user.to_string())
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| row.column("group_name"))
        .collect()
}

/// The ids and names of a group's members, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn members(
    connection: &mut Connection,
    group: &str,
) -> Result<Vec<(Id<UserKind>, String)>, StoreError> {
    query(
        "select users.id, users.name from members join users on users.id = members.user_id \
         where group_name = $1 order by users.name",
    )
    .bind(group)
    .fetch_all(connection)
    .await?
    .iter()
    .map(|row| Ok((row.parsed("id")?, row.column("name")?)))
    .collect()
}

/// Adds a group; false where it is there already.
///
/// # Errors
/// When the database does not answer.
pub async fn add(tx: &mut Tx, actor: &Actor, now: Timestamp, name: &str) -> Result<bool, StoreError> {
    let is_new = query("insert into groups (name, created_at) values ($1, $2) on conflict do nothing")
        .bind(name)
        .bind(now.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected()
        > 0;
    if is_new {
        audit::append(tx, now, actor, "group.added", name, &json!({})).await?;
    }
    Ok(is_new)
}

/// Removes a group; false where there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(tx: &mut Tx, actor: &Actor, now: Timestamp, name: &str) -> Result<bool, StoreError> {
    let was_there =
        query("delete from groups where name = $1").bind(name).execute(tx).await?.rows_affected() > 0;
    if was_there {
        audit::append(tx, now, actor, "group.removed", name, &json!({})).await?;
    }
    Ok(was_there)
}

/// Puts a user into a group; false where the user is in it already. Both must be there.
///
/// # Errors
/// When the database does not answer.
pub async fn add_member(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    group: &str,
    user: Id<UserKind>,
) -> Result<bool, StoreError> {
    let is_new = query(
        "insert into members (group_name, user_id, added_at) values ($1, $2, $3) on conflict do nothing",
    )
    .bind(group)
    .bind(user.to_string())
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?
    .rows_affected()
        > 0;
    if is_new {
        audit::append(tx, now, actor, "group.member-added", group, &json!({ "user": user })).await?;
    }
    Ok(is_new)
}

/// Takes a user out of a group; false where the user was not in it.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_member(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    group: &str,
    user: Id<UserKind>,
) -> Result<bool, StoreError> {
    let was_in = query("delete from members where group_name = $1 and user_id = $2")
        .bind(group)
        .bind(user.to_string())
        .execute(tx)
        .await?
        .rows_affected()
        > 0;
    if was_in {
        audit::append(tx, now, actor, "group.member-removed", group, &json!({ "user": user })).await?;
    }
    Ok(was_in)
}
