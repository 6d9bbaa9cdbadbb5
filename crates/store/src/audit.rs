//! The audit log: rows chained by hash, written in the same transaction as what they tell of.
//!
//! Row n's hash is SHA-256 over row n-1's hash (32 zero bytes before the first) and the JSON array
//! `[number, at, actor, action, subject, detail]`. Whoever changes or removes a row must rewrite
//! all later ones, so a hash that was noted elsewhere proves everything before it.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use evergate_model::Timestamp;
use serde::Serialize;

use crate::query::query;
use crate::row::{Row, json_text, signed};
use crate::{Actor, Connection, StoreError, Tx};

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Counts from 1 without gaps.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it, as [`Actor`] prints.
    pub actor: String,
    /// What was done: `user.locked`.
    pub action: String,
    /// What it was done to: an id or a name.
    pub subject: String,
    /// Particulars; never a secret.
    pub detail: serde_json::Value,
    /// This row's hash, hex.
    pub hash: String,
}

/// Whether the chain holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Verification {
    /// Every row follows from the one before.
    Whole {
        /// How many rows were checked.
        rows: u64,
        /// The last row's hash, hex; worth noting elsewhere.
        head: String,
    },
    /// A row was changed, removed or put in.
    Broken {
        /// The first row that does not follow.
        number: u64,
    },
}

/// Which rows [`list`] gives.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only rows above this number.
    pub after: u64,
    /// Only rows since then.
    pub since: Option<Timestamp>,
    /// Only rows about this subject.
    pub subject: Option<String>,
}

/// Adds a row; its number.
///
/// # Errors
/// When the database does not answer.
pub async fn append(
    tx: &mut Tx,
    now: Timestamp,
    actor: &Actor,
    action: &str,
    subject: &str,
    detail: &serde_json::Value,
) -> Result<u64, StoreError> {
    let last =
        query("select number, hash from audit order by number desc limit 1").fetch_optional(tx).await?;
    let (last_number, previous) = match last {
        Some(row) => (row.count("number")?, row.column::<Vec<u8>>("hash")?),
        None => (0, vec![0; 32]),
    };
    let number = last_number.saturating_add(1);
    let (actor, detail) = (actor.to_string(), json_text(detail));
    let hash = chain(&previous, number, now, &actor, action, subject, &detail);
    query(
        "insert into audit (number, at, actor, action, subject, detail, hash) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(signed(number))
    .bind(now.as_milliseconds())
    .bind(actor)
    .bind(action)
    .bind(subject)
    .bind(detail)
    .bind(hash)
    .execute(tx)
    .await?;
    Ok(number)
}

/// Rows by number, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    connection: &mut Connection,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    query(
        "select * from audit where number > $1 and at >= $2 and ($3 is null or subject = $3) order by number limit $4",
    )
    .bind(signed(filter.after))
    .bind(filter.since.map_or(i64::MIN, Timestamp::as_milliseconds))
    .bind(filter.subject.as_deref())
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?
    .iter()
    .map(entry)
    .collect()
}

/// The number of the last row; 0 where there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn last_number(connection: &mut Connection) -> Result<u64, StoreError> {
    query("select coalesce(max(number), 0) as number from audit").fetch_one(connection).await?.count("number")
}

/// Checks the whole chain, a thousand rows at a time.
///
/// # Errors
/// When the database does not answer.
pub async fn verify(connection: &mut Connection) -> Result<Verification, StoreError> {
    let mut previous = vec![0; 32];
    let mut rows: u64 = 0;
    loop {
        let page = query("select * from audit where number > $1 order by number limit 1000")
            .bind(signed(rows))
            .fetch_all(connection)
            .await?;
        if page.is_empty() {
            return Ok(Verification::Whole { rows, head: HEXLOWER.encode(&previous) });
        }
        for row in &page {
            let wanted = rows.saturating_add(1);
            let (actor, action, subject, detail): (String, String, String, String) =
                (row.column("actor")?, row.column("action")?, row.column("subject")?, row.column("detail")?);
            let hash = chain(&previous, wanted, row.moment("at")?, &actor, &action, &subject, &detail);
            if row.count("number")? != wanted || row.column::<Vec<u8>>("hash")? != hash {
                return Ok(Verification::Broken { number: wanted });
            }
            (previous, rows) = (hash, wanted);
        }
    }
}

fn chain(
    previous: &[u8],
    number: u64,
    at: Timestamp,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &str,
) -> Vec<u8> {
    let row = json_text(&(number, at.as_milliseconds(), actor, action, subject, detail));
    let mut context = Context::new(&SHA256);
    context.update(previous);
    context.update(row.as_bytes());
    context.finish().as_ref().to_vec()
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        number: row.count("number")?,
        at: row.moment("at")?,
        actor: row.column("actor")?,
        action: row.column("action")?,
        subject: row.column("subject")?,
        detail: row.json("detail")?,
        hash: HEXLOWER.encode(&row.column::<Vec<u8>>("hash")?),
    })
}
