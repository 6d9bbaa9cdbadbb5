//! Credentials: passwords, soft tokens, recovery codes. Secrets arrive hashed or sealed.

use std::str::FromStr;

use evergate_model::id::{Credential as CredentialKind, User};
use evergate_model::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::query::query;
use crate::row::Row;
use crate::{Actor, Connection, StoreError, Tx, audit};

/// What sort of credential it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// A password; the secret is its PHC string.
    Password,
    /// A soft token (RFC 6238); the secret is its sealed seed.
    Totp,
    /// A set of recovery codes; it has no secret of its own.
    RecoveryCodes,
}

impl Sort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::RecoveryCodes => "recovery-codes",
        }
    }
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Password, Self::Totp, Self::RecoveryCodes]
            .into_iter()
            .find(|sort| sort.as_str() == text)
            .ok_or(())
    }
}

/// A credential, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// Its id.
    pub id: Id<CredentialKind>,
    /// Whose it is.
    pub user: Id<User>,
    /// What it is.
    pub sort: Sort,
    /// What its owner calls it.
    pub label: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was used last.
    pub used_at: Option<Timestamp>,
}

/// The credentials of a user that are in force, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(connection: &mut Connection, user: Id<User>) -> Result<Vec<Credential>, StoreError> {
    query("select * from credentials where user_id = $1 and removed_at is null order by created_at, id")
        .bind(user.to_string())
        .fetch_all(connection)
        .await?
        .iter()
        .map(credential)
        .collect()
}

/// The secrets of one sort that a user has, with the credentials' ids, oldest first: one PHC
/// string, or the sealed seeds of the soft tokens.
///
/// # Errors
/// When the database does not answer.
pub async fn secrets(
    connection: &mut Connection,
    user: Id<User>,
    sort: Sort,
) -> Result<Vec<(Id<CredentialKind>, Vec<u8>)>, StoreError> {
    query(
        "select id, secret from credentials \
         where user_id = $1 and kind = $2 and removed_at is null and secret is not null \
         order by created_at, id",
    )
    .bind(user.to_string())
    .bind(sort.as_str())
    .fetch_all(connection)
    .await?
    .iter()
    .map(|row| Ok((row.parsed("id")?, row.column("secret")?)))
    .collect()
}

/// The PHC string of a user's password, with the credential's id.
///
/// # Errors
/// When the database does not answer.
pub async fn find_password(
    connection: &mut Connection,
    user: Id<User>,
) -> Result<Option<(Id<CredentialKind>, String)>, StoreError> {
    let Some((id, phc)) = secrets(connection, user, Sort::Password).await?.pop() else { return Ok(None) };
    let phc = String::from_utf8(phc)
        .map_err(|_| StoreError::Corrupt { what: "password hash", text: id.to_string() })?;
    Ok(Some((id, phc)))
}

/// Whether the user has, or ever had, a credential of that sort.
///
/// # Errors
/// When the database does not answer.
pub async fn ever_had(connection: &mut Connection, user: Id<User>, sort: Sort) -> Result<bool, StoreError> {
    Ok(query("select id from credentials where user_id = $1 and kind = $2 limit 1")
        .bind(user.to_string())
        .bind(sort.as_str())
        .fetch_optional(connection)
        .await?
        .is_some())
}

/// A credential to add.
#[derive(Debug, Clone)]
pub struct NewCredential<'a> {
    /// Its id.
    pub id: Id<CredentialKind>,
    /// Whose it is.
    pub user: Id<User>,
    /// What it is.
    pub sort: Sort,
    /// What its owner calls it.
    pub label: &'a str,
    /// The PHC string or the sealed seed.
    pub secret: Option<&'a [u8]>,
}

/// Adds a credential beside those that are there.
///
/// # Errors
/// [`StoreError::Taken`] when the id is there already.
pub async fn add(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    new: &NewCredential<'_>,
) -> Result<(), StoreError> {
    query(
        "insert into credentials (id, user_id, kind, secret, label, created_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.to_string())
    .bind(new.user.to_string())
    .bind(new.sort.as_str())
    .bind(new.secret)
    .bind(new.label)
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?;
    let detail = json!({ "credential": new.id, "sort": new.sort });
    audit::append(tx, now, actor, "credential.added", &new.user.to_string(), &detail).await?;
    Ok(())
}

/// Makes `phc` the user's only password.
///
/// # Errors
/// When the database does not answer.
pub async fn set_password(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<User>,
    id: Id<CredentialKind>,
    phc: &str,
) -> Result<(), StoreError> {
    remove_all(tx, actor, now, user, Sort::Password).await?;
    let new =
        NewCredential { id, user, sort: Sort::Password, label: "password", secret: Some(phc.as_bytes()) };
    add(tx, actor, now, &new).await
}

/// Makes these the user's only recovery codes. `hashes` must be slow or keyed hashes.
///
/// # Errors
/// When the database does not answer, or two hashes are the same.
pub async fn set_recovery_codes(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<User>,
    id: Id<CredentialKind>,
    hashes: &[String],
) -> Result<(), StoreError> {
    remove_all(tx, actor, now, user, Sort::RecoveryCodes).await?;
    let new = NewCredential { id, user, sort: Sort::RecoveryCodes, label: "recovery codes", secret: None };
    add(tx, actor, now, &new).await?;
    for hash in hashes {
        query("insert into recovery_codes (credential_id, hash) values ($1, $2)")
            .bind(id.to_string())
            .bind(hash)
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// Uses a recovery code up: the credential it belongs to, or `None` where the user has no such
/// unused code.
///
/// # Errors
/// When the database does not answer.
pub async fn use_recovery_code(
    tx: &mut Tx,
    now: Timestamp,
    user: Id<User>,
    hash: &str,
) -> Result<Option<Id<CredentialKind>>, StoreError> {
    let row = query(
        "update recovery_codes set used_at = $3 where hash = $2 and used_at is null and credential_id in \
         (select id from credentials where user_id = $1 and kind = 'recovery-codes' and removed_at is null) \
         returning credential_id",
    )
    .bind(user.to_string())
    .bind(hash)
    .bind(now.as_milliseconds())
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let id = row.parsed("credential_id")?;
    touch(tx, now, id).await?;
    Ok(Some(id))
}

/// How many unused recovery codes a user has left.
///
/// # Errors
/// When the database does not answer.
pub async fn recovery_codes_left(connection: &mut Connection, user: Id<User>) -> Result<u64, StoreError> {
    query(
        "select count(*) as codes from recovery_codes where used_at is null and credential_id in \
         (select id from credentials where user_id = $1 and kind = 'recovery-codes' and removed_at is null)",
    )
    .bind(user.to_string())
    .fetch_one(connection)
    .await?
    .count("codes")
}

/// Takes note that a code of this time step was accepted; false where one of that step was before,
/// or the credential has been removed meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn use_code(
    tx: &mut Tx,
    now: Timestamp,
    id: Id<CredentialKind>,
    step: i64,
) -> Result<bool, StoreError> {
    let is_first = query(
        "insert into used_codes (credential_id, step, at) select id, $2, $3 from credentials \
         where id = $1 and removed_at is null on conflict do nothing",
    )
    .bind(id.to_string())
    .bind(step)
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?
    .rows_affected()
        > 0;
    if is_first {
        touch(tx, now, id).await?;
    }
    Ok(is_first)
}

/// Forgets accepted codes from before `before`, which must be far outside the window in which
/// codes are good; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget_used_codes(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from used_codes where at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}

/// Notes that a credential was used.
///
/// # Errors
/// When the database does not answer.
pub async fn touch(tx: &mut Tx, now: Timestamp, id: Id<CredentialKind>) -> Result<(), StoreError> {
    query("update credentials set used_at = $2 where id = $1")
        .bind(id.to_string())
        .bind(now.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(())
}

/// Removes one credential of a user; false where there is none. Its row stays, without secret.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<User>,
    id: Id<CredentialKind>,
) -> Result<bool, StoreError> {
    let was_there = query(
        "update credentials set removed_at = $3, secret = null \
         where id = $1 and user_id = $2 and removed_at is null",
    )
    .bind(id.to_string())
    .bind(user.to_string())
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?
    .rows_affected()
        > 0;
    if was_there {
        let detail = json!({ "credential": id });
        audit::append(tx, now, actor, "credential.removed", &user.to_string(), &detail).await?;
    }
    Ok(was_there)
}

/// Removes all credentials of one sort that a user has; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_all(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<User>,
    sort: Sort,
) -> Result<usize, StoreError> {
    let all = list(tx, user).await?;
    let ids = all.into_iter().filter(|credential| credential.sort == sort).map(|credential| credential.id);
    let mut removed = 0;
    for id in ids {
        removed += usize::from(remove(tx, actor, now, user, id).await?);
    }
    Ok(removed)
}

/// Lets a user enrol this sort anew, as if they never had one: an administrator's word.
///
/// # Errors
/// When the database does not answer.
pub async fn forget_all(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<User>,
    sort: Sort,
) -> Result<(), StoreError> {
    remove_all(tx, actor, now, user, sort).await?;
    query("delete from credentials where user_id = $1 and kind = $2")
        .bind(user.to_string())
        .bind(sort.as_str())
        .execute(tx)
        .await?;
    let detail = json!({ "sort": sort });
    audit::append(tx, now, actor, "credential.reset", &user.to_string(), &detail).await?;
    Ok(())
}

fn credential(row: &Row) -> Result<Credential, StoreError> {
    Ok(Credential {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        sort: row.parsed("kind")?,
        label: row.column("label")?,
        created_at: row.moment("created_at")?,
        used_at: row.moment_or_null("used_at")?,
    })
}
