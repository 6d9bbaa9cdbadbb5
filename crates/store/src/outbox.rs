//! The outbox: messages that were accepted, and how far each has come.
//!
//! An instance leases what is due before it sends, so that no other sends it meanwhile. A delivery
//! that it reports counts whosever the lease is by then, since it has happened; anything else only
//! while the lease is its own. A lease that ends without a report is an interruption: whoever held
//! it may have handed the message over without writing that down.

use evergate_model::id::Message as MessageKind;
use evergate_model::{Id, Name, Timestamp};

use crate::query::query;
use crate::row::Row;
use crate::{Connection, StoreError, Tx};

/// A message to accept.
#[derive(Debug, Clone)]
pub struct NewMessage<'a> {
    /// Its id; the Message-ID that receivers see is made of it.
    pub id: Id<MessageKind>,
    /// The address it goes to.
    pub recipient: &'a str,
    /// Which text it is.
    pub kind: &'a str,
    /// What the text is filled with, sealed.
    pub sealed: &'a [u8],
}

/// A message that this instance is to send.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Its id.
    pub id: Id<MessageKind>,
    /// The address it goes to.
    pub recipient: String,
    /// Which text it is.
    pub kind: String,
    /// What the text is filled with, sealed.
    pub sealed: Vec<u8>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// How often it was tried before.
    pub tries: u64,
    /// How many leases before ended without a report: so often it may have been handed over already.
    pub interruptions: u64,
}

/// What a report of an outcome meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The message has ended now.
    Now,
    /// It had ended already, as delivered, by another instance.
    DeliveredBefore,
    /// It had ended otherwise, or the lease has passed to another instance.
    NotOurs,
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was handed over.
    Delivered,
    /// It was given up, for this reason.
    Failed(String),
}

/// What waits in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many messages.
    pub messages: u64,
    /// When the first of them was accepted.
    pub oldest: Option<Timestamp>,
}

/// Takes a message in; it is due at once.
///
/// # Errors
/// [`StoreError::Taken`] when the id is there already.
pub async fn add(tx: &mut Tx, now: Timestamp, new: &NewMessage<'_>) -> Result<(), StoreError> {
    query(
        "insert into outbox (id, recipient, kind, sealed, accepted_at, due_at, tries, leased_until) \
         values ($1, $2, $3, $4, $5, $5, 0, 0)",
    )
    .bind(new.id.to_string())
    .bind(new.recipient)
    .bind(new.kind)
    .bind(new.sealed)
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether [`lease`] would give anything.
///
/// # Errors
/// When the database does not answer.
pub async fn is_due(connection: &mut Connection, now: Timestamp) -> Result<bool, StoreError> {
    Ok(query(
        "select id from outbox where finished_at is null and due_at <= $1 and leased_until <= $1 limit 1",
    )
    .bind(now.as_milliseconds())
    .fetch_optional(connection)
    .await?
    .is_some())
}

/// Leases up to `limit` due messages to `instance` until `until`, those that have waited longest.
///
/// # Errors
/// When the database does not answer.
pub async fn lease(
    tx: &mut Tx,
    now: Timestamp,
    instance: &Name,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Leased>, StoreError> {
    query(
        "update outbox set leased_by = $1, leased_until = $2, tries = tries + 1, \
         interruptions = interruptions + case when leased_by is null then 0 else 1 end where id in \
         (select id from outbox where finished_at is null and due_at <= $3 and leased_until <= $3 \
          order by due_at, id limit $4) \
         returning *",
    )
    .bind(instance.as_str())
    .bind(until.as_milliseconds())
    .bind(now.as_milliseconds())
    .bind(i64::from(limit))
    .fetch_all(tx)
    .await?
    .iter()
    .map(leased)
    .collect()
}

/// Ends the leases of an instance that was started anew: whoever took them is dead, and what it left
/// need not wait for them to expire. How many.
///
/// # Errors
/// When the database does not answer.
pub async fn end_leases(tx: &mut Tx, instance: &Name) -> Result<u64, StoreError> {
    let ended = query("update outbox set leased_until = 0 where leased_by = $1 and finished_at is null")
        .bind(instance.as_str())
        .execute(tx)
        .await?;
    Ok(ended.rows_affected())
}

/// The message has ended.
///
/// # Errors
/// When the database does not answer.
pub async fn finish(
    tx: &mut Tx,
    now: Timestamp,
    instance: &Name,
    id: Id<MessageKind>,
    outcome: &Outcome,
) -> Result<Finished, StoreError> {
    let (reason, is_delivered) = match outcome {
        Outcome::Delivered => (DELIVERED, true),
        Outcome::Failed(reason) => (reason.as_str(), false),
    };
    let ended = query(
        "update outbox set finished_at = $3, outcome = $4, sealed = $5 \
         where id = $1 and finished_at is null and (leased_by = $2 or $6)",
    )
    .bind(id.to_string())
    .bind(instance.as_str())
    .bind(now.as_milliseconds())
    .bind(reason)
    .bind(Vec::new())
    .bind(is_delivered)
    .execute(tx)
    .await?
    .rows_affected();
    if ended > 0 {
        return Ok(Finished::Now);
    }
    let delivered = query("select id from outbox where id = $1 and outcome = $2 and finished_at is not null")
        .bind(id.to_string())
        .bind(DELIVERED)
        .fetch_optional(tx)
        .await?;
    Ok(if delivered.is_some() { Finished::DeliveredBefore } else { Finished::NotOurs })
}

/// The outcome of what was handed over.
const DELIVERED: &str = "delivered";

/// The message could not be handed over and is due again at `due_at`; false where the lease has
/// passed to another instance.
///
/// # Errors
/// When the database does not answer.
pub async fn postpone(
    tx: &mut Tx,
    instance: &Name,
    id: Id<MessageKind>,
    due_at: Timestamp,
    reason: &str,
) -> Result<bool, StoreError> {
    let result = query(
        "update outbox set due_at = $3, outcome = $4, leased_by = null, leased_until = 0 \
         where id = $1 and leased_by = $2 and finished_at is null",
    )
    .bind(id.to_string())
    .bind(instance.as_str())
    .bind(due_at.as_milliseconds())
    .bind(reason)
    .execute(tx)
    .await?;
    Ok(result.rows_affected() > 0)
}

/// What waits.
///
/// # Errors
/// When the database does not answer.
pub async fn waiting(connection: &mut Connection) -> Result<Waiting, StoreError> {
    let row = query(
        "select count(*) as messages, min(accepted_at) as oldest from outbox where finished_at is null",
    )
    .fetch_one(connection)
    .await?;
    Ok(Waiting { messages: row.count("messages")?, oldest: row.moment_or_null("oldest")? })
}

/// How many messages of this kind were taken in since then, whatever became of them.
///
/// # Errors
/// When the database does not answer.
pub async fn accepted_since(
    connection: &mut Connection,
    kind: &str,
    since: Timestamp,
) -> Result<u64, StoreError> {
    let row = query("select count(*) as messages from outbox where kind = $1 and accepted_at >= $2")
        .bind(kind)
        .bind(since.as_milliseconds())
        .fetch_one(connection)
        .await?;
    row.count("messages")
}

/// Forgets messages that ended before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    let result =
        query("delete from outbox where finished_at < $1").bind(before.as_milliseconds()).execute(tx).await?;
    Ok(result.rows_affected())
}

fn leased(row: &Row) -> Result<Leased, StoreError> {
    Ok(Leased {
        id: row.parsed("id")?,
        recipient: row.column("recipient")?,
        kind: row.column("kind")?,
        sealed: row.column("sealed")?,
        accepted_at: row.moment("accepted_at")?,
        tries: row.count("tries")?.saturating_sub(1),
        interruptions: row.count("interruptions")?,
    })
}
