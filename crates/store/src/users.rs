//! Users: who may sign in.

use std::fmt;
use std::str::FromStr;

use evergate_model::id::User as UserKind;
use evergate_model::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::query::query;
use crate::row::Row;
use crate::{Actor, Connection, StoreError, Tx, audit};

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: Id<UserKind>,
    /// The name the user signs in by, lower case.
    pub name: String,
    /// The e-mail address, if known.
    pub email: Option<String>,
    /// Whether the user may sign in.
    pub state: State,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When an invitation was sent that nobody has followed yet.
    pub invited_at: Option<Timestamp>,
}

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// May sign in.
    Active,
    /// May not, until an administrator unlocks it.
    Locked,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Active, Self::Locked].into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// The form in which a user's name is kept and looked for: trimmed, lower case; `None` where it
/// cannot be a name (empty, over 128 bytes, or with a space or control character).
#[must_use]
pub fn normal_name(name: &str) -> Option<String> {
    let name = name.trim();
    let is_good = !name.is_empty()
        && name.len() <= 128
        && name.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '/');
    is_good.then(|| name.to_lowercase())
}

/// The user of that id.
///
/// # Errors
/// When the database does not answer.
pub async fn get(connection: &mut Connection, id: Id<UserKind>) -> Result<Option<User>, StoreError> {
    query("select * from users where id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?
        .map(|row| user(&row))
        .transpose()
}

/// The user who signs in by that name, in any spelling of case.
///
/// # Errors
/// When the database does not answer.
pub async fn find_by_name(connection: &mut Connection, name: &str) -> Result<Option<User>, StoreError> {
    let Some(name) = normal_name(name) else { return Ok(None) };
    query("select * from users where name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?
        .map(|row| user(&row))
        .transpose()
}

/// Users by name after `after` (empty: from the first), at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut Connection, after: &str, limit: u32) -> Result<Vec<User>, StoreError> {
    query("select * from users where name > $1 order by name limit $2")
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?
        .iter()
        .map(user)
        .collect()
}

/// Adds a user; `new.name` must be in its [`normal_name`] form.
///
/// # Errors
/// [`StoreError::Taken`] when somebody has that name.
pub async fn add(tx: &mut Tx, actor: &Actor, now: Timestamp, new: &User) -> Result<(), StoreError> {
    query(
        "insert into users (id, name, email, state, created_at, invited_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.to_string())
    .bind(&new.name)
    .bind(&new.email)
    .bind(new.state.as_str())
    .bind(new.created_at.as_milliseconds())
    .bind(new.invited_at.map(Timestamp::as_milliseconds))
    .execute(tx)
    .await?;
    audit::append(tx, now, actor, "user.added", &new.id.to_string(), &json!({ "name": new.name })).await?;
    Ok(())
}

/// Changes the e-mail address; false where there is no such user.
///
/// # Errors
/// When the database does not answer.
pub async fn set_email(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<UserKind>,
    email: Option<&str>,
) -> Result<bool, StoreError> {
    let is_changed = query("update users set email = $2 where id = $1")
        .bind(id.to_string())
        .bind(email)
        .execute(tx)
        .await?
        .rows_affected()
        > 0;
    if is_changed {
        audit::append(tx, now, actor, "user.email-changed", &id.to_string(), &json!({})).await?;
    }
    Ok(is_changed)
}

/// Locks or unlocks; false where there is no such user or it is in that state already.
///
/// # Errors
/// When the database does not answer.
pub async fn set_state(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<UserKind>,
    state: State,
) -> Result<bool, StoreError> {
    let is_changed = query("update users set state = $2 where id = $1 and state <> $2")
        .bind(id.to_string())
        .bind(state.as_str())
        .execute(tx)
        .await?
        .rows_affected()
        > 0;
    if is_changed {
        let action = match state {
            State::Active => "user.unlocked",
            State::Locked => "user.locked",
        };
        audit::append(tx, now, actor, action, &id.to_string(), &json!({})).await?;
    }
    Ok(is_changed)
}

/// Notes that an invitation went out, or (`None`) that it was followed.
///
/// # Errors
/// When the database does not answer.
pub async fn set_invited(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<UserKind>,
    invited_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    query("update users set invited_at = $2 where id = $1")
        .bind(id.to_string())
        .bind(invited_at.map(Timestamp::as_milliseconds))
        .execute(tx)
        .await?;
    let action = if invited_at.is_some() { "user.invited" } else { "user.invitation-followed" };
    audit::append(tx, now, actor, action, &id.to_string(), &json!({})).await?;
    Ok(())
}

/// Removes a user with everything that belongs to it; false where there is none. Sessions are
/// policy's to end, before.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<UserKind>,
) -> Result<bool, StoreError> {
    let Some(user) = get(tx, id).await? else { return Ok(false) };
    query("delete from users where id = $1").bind(id.to_string()).execute(tx).await?;
    audit::append(tx, now, actor, "user.removed", &id.to_string(), &json!({ "name": user.name })).await?;
    Ok(true)
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.parsed("id")?,
        name: row.column("name")?,
        email: row.column("email")?,
        state: row.parsed("state")?,
        created_at: row.moment("created_at")?,
        invited_at: row.moment_or_null("invited_at")?,
    })
}
