//! Keys: authority keys (administration's own) and internal keys (handed out by kind), sealed.

use std::fmt;
use std::str::FromStr;

use evergate_model::id::Key as KeyKind;
use evergate_model::{Id, Service, Timestamp};
use serde::{Deserialize, Serialize};

use crate::row::{Columns, signed};
use crate::{Connection, StoreError, Tx};

/// Where a key stands in its rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Made and published; not used yet.
    Next,
    /// In use.
    Active,
    /// Only what was made with it before is still taken.
    Retired,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
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
        [Self::Next, Self::Active, Self::Retired].into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id.
    pub id: Id<KeyKind>,
    /// The service whose instances hold it; administration for authority keys.
    pub keeper: Service,
    /// What it is for: `session-token`, `identity-ca`, ...
    pub purpose: String,
    /// Where it stands.
    pub state: State,
    /// Counts the changes of the keeper's keys of all purposes; the one that made or moved it last.
    pub generation: u64,
    /// Its public half: hex of a verification key, or a certificate (PEM).
    pub public: Option<String>,
    /// The key itself, sealed with the wrapping key.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("id", &self.id)
            .field("keeper", &self.keeper)
            .field("purpose", &self.purpose)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// All keys, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut Connection) -> Result<Vec<StoredKey>, StoreError> {
    sqlx::query("select * from keys order by made_at, id")
        .fetch_all(connection)
        .await?
        .iter()
        .map(key)
        .collect()
}

/// The keys that one service's instances hold, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list_of(connection: &mut Connection, keeper: Service) -> Result<Vec<StoredKey>, StoreError> {
    sqlx::query("select * from keys where keeper = $1 order by made_at, id")
        .bind(keeper.as_str())
        .fetch_all(connection)
        .await?
        .iter()
        .map(key)
        .collect()
}

/// Adds a key.
///
/// # Errors
/// [`StoreError::Taken`] when its id is there already.
pub async fn add(tx: &mut Tx, new: &StoredKey) -> Result<(), StoreError> {
    sqlx::query(
        "insert into keys (id, keeper, purpose, state, generation, public, sealed, made_at, changed_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.id.to_string())
    .bind(new.keeper.as_str())
    .bind(&new.purpose)
    .bind(new.state.as_str())
    .bind(signed(new.generation))
    .bind(&new.public)
    .bind(&new.sealed)
    .bind(new.made_at.as_milliseconds())
    .bind(new.changed_at.as_milliseconds())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Moves a key from one state to another; false where it does not stand there (any more).
///
/// # Errors
/// When the database does not answer.
pub async fn set_state(
    tx: &mut Tx,
    now: Timestamp,
    id: Id<KeyKind>,
    from: State,
    to: State,
    generation: u64,
) -> Result<bool, StoreError> {
    Ok(sqlx::query(
        "update keys set state = $3, generation = $4, changed_at = $5 where id = $1 and state = $2",
    )
    .bind(id.to_string())
    .bind(from.as_str())
    .bind(to.as_str())
    .bind(signed(generation))
    .bind(now.as_milliseconds())
    .execute(&mut **tx)
    .await?
    .rows_affected()
        > 0)
}

/// Removes a key for good.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(tx: &mut Tx, id: Id<KeyKind>) -> Result<(), StoreError> {
    sqlx::query("delete from keys where id = $1").bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}

fn key(row: &sqlx::sqlite::SqliteRow) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        id: row.parsed("id")?,
        keeper: row.parsed("keeper")?,
        purpose: row.column("purpose")?,
        state: row.parsed("state")?,
        generation: row.count("generation")?,
        public: row.column("public")?,
        sealed: row.column("sealed")?,
        made_at: row.moment("made_at")?,
        changed_at: row.moment("changed_at")?,
    })
}
