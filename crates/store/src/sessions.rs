//! Sessions: the server's memory of signed-in users.

use evergate_model::factor::ProvenFactor;
use evergate_model::id::{Session as SessionKind, User as UserKind};
use evergate_model::{Id, SessionFacts, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::query::query;
use crate::row::{Row, json_text};
use crate::{Actor, Connection, StoreError, Tx, audit, groups, revocations};

/// A session, with what is known of its user now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// What a decision needs.
    pub facts: SessionFacts,
    /// When it was used last, as far as has been reported.
    pub last_seen_at: Timestamp,
    /// When it was ended before its time, if it was.
    pub ended_at: Option<Timestamp>,
    /// Whether its user may sign in.
    pub user_is_active: bool,
    /// The address it was opened from.
    pub client: String,
    /// The browser it was opened with, as that calls itself.
    pub user_agent: String,
}

impl Session {
    /// Whether it lives: it was not ended, its time is not over, and its user may sign in.
    #[must_use]
    pub fn is_alive_at(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.facts.ends_at && self.user_is_active
    }
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: Id<SessionKind>,
    /// Whose it is.
    pub user: Id<UserKind>,
    /// What was proven.
    pub factors: Vec<ProvenFactor>,
    /// When it ends whatever happens.
    pub ends_at: Timestamp,
    /// The address it is opened from.
    pub client: String,
    /// The browser it is opened with.
    pub user_agent: String,
}

/// Which sessions [`list`] gives.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this user's.
    pub user: Option<Id<UserKind>>,
    /// Only those after this one, by id.
    pub after: Option<Id<SessionKind>>,
    /// Only those seen since then.
    pub seen_since: Option<Timestamp>,
}

const SELECT: &str = "select sessions.*, users.name as user_name, users.email as email, \
     users.state as user_state from sessions join users on users.id = sessions.user_id";

/// The session of that id, alive or not, with its user's groups as they are now.
///
/// # Errors
/// When the database does not answer.
pub async fn get(connection: &mut Connection, id: Id<SessionKind>) -> Result<Option<Session>, StoreError> {
    let row = query(sqlx::AssertSqlSafe(format!("{SELECT} where sessions.id = $1")))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut session = session(&row)?;
    session.facts.groups = groups::names_of(connection, session.facts.user).await?;
    Ok(Some(session))
}

/// Live sessions by id (which is by age), at most `limit`; their groups are left empty.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    connection: &mut Connection,
    now: Timestamp,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Session>, StoreError> {
    let sql = format!(
        "{SELECT} where sessions.ended_at is null and sessions.ends_at > $1 and users.state = 'active' \
         and ($2 is null or sessions.user_id = $2) and sessions.id > $3 and sessions.last_seen_at >= $4 \
         order by sessions.id limit $5"
    );
    query(sqlx::AssertSqlSafe(sql))
        .bind(now.as_milliseconds())
        .bind(filter.user.map(|user| user.to_string()))
        .bind(filter.after.map(|after| after.to_string()).unwrap_or_default())
        .bind(filter.seen_since.map_or(i64::MIN, Timestamp::as_milliseconds))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?
        .iter()
        .map(session)
        .collect()
}

/// Opens a session. Its user must be there.
///
/// # Errors
/// When the database does not answer.
pub async fn open(tx: &mut Tx, actor: &Actor, now: Timestamp, new: &NewSession) -> Result<(), StoreError> {
    query(
        "insert into sessions (id, user_id, opened_at, ends_at, last_seen_at, client, user_agent, factors) \
         values ($1, $2, $3, $4, $3, $5, $6, $7)",
    )
    .bind(new.id.to_string())
    .bind(new.user.to_string())
    .bind(now.as_milliseconds())
    .bind(new.ends_at.as_milliseconds())
    .bind(&new.client)
    .bind(&new.user_agent)
    .bind(json_text(&new.factors))
    .execute(tx)
    .await?;
    let factors: Vec<String> = new.factors.iter().map(|proven| proven.factor.to_string()).collect();
    let detail = json!({ "user": new.user, "client": new.client, "factors": factors });
    audit::append(tx, now, actor, "session.opened", &new.id.to_string(), &detail).await?;
    Ok(())
}

/// Adds what was proven to a session; of a factor that was proven before the later time holds.
/// False where there is no such session.
///
/// # Errors
/// When the database does not answer.
pub async fn add_factors(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<SessionKind>,
    factors: &[ProvenFactor],
) -> Result<bool, StoreError> {
    let Some(session) = get(tx, id).await? else { return Ok(false) };
    let merged = merge(session.facts.factors, factors);
    query("update sessions set factors = $2 where id = $1")
        .bind(id.to_string())
        .bind(json_text(&merged))
        .execute(tx)
        .await?;
    let names: Vec<String> = factors.iter().map(|proven| proven.factor.to_string()).collect();
    audit::append(tx, now, actor, "session.factors-added", &id.to_string(), &json!({ "factors": names }))
        .await?;
    Ok(true)
}

/// What was proven by either, each with the later time.
#[must_use]
pub fn merge(mut known: Vec<ProvenFactor>, more: &[ProvenFactor]) -> Vec<ProvenFactor> {
    for proven in more {
        match known.iter_mut().find(|known| known.factor == proven.factor) {
            Some(known) => known.at = known.at.max(proven.at),
            None => known.push(proven.clone()),
        }
    }
    known
}

/// Notes that a session was used; a later time that is known already stays.
///
/// # Errors
/// When the database does not answer.
pub async fn seen(tx: &mut Tx, id: Id<SessionKind>, at: Timestamp) -> Result<(), StoreError> {
    query("update sessions set last_seen_at = $2 where id = $1 and last_seen_at < $2")
        .bind(id.to_string())
        .bind(at.as_milliseconds())
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends a session before its time, and enters that into the numbered log of revocations; the
/// entry's number, or `None` where there is no such session or it has ended already.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    id: Id<SessionKind>,
) -> Result<Option<u64>, StoreError> {
    let row = query(
        "update sessions set ended_at = $2 where id = $1 and ended_at is null and ends_at > $2 returning ends_at",
    )
    .bind(id.to_string())
    .bind(now.as_milliseconds())
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let number = revocations::add(tx, now, id, row.moment("ends_at")?).await?;
    audit::append(tx, now, actor, "session.revoked", &id.to_string(), &json!({ "number": number })).await?;
    Ok(Some(number))
}

/// Ends all sessions of a user before their time; the numbers in the log of revocations. Belongs
/// into the transaction that locks or removes the user.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke_user(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<UserKind>,
) -> Result<Vec<u64>, StoreError> {
    revoke_all(tx, actor, now, user, None).await
}

/// Ends all sessions of a user but one; the numbers in the log of revocations.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke_others(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<UserKind>,
    kept: Id<SessionKind>,
) -> Result<Vec<u64>, StoreError> {
    revoke_all(tx, actor, now, user, Some(kept)).await
}

async fn revoke_all(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    user: Id<UserKind>,
    kept: Option<Id<SessionKind>>,
) -> Result<Vec<u64>, StoreError> {
    let ids: Vec<Id<SessionKind>> = query(
        "select id from sessions where user_id = $1 and ended_at is null and ends_at > $2 and id <> $3 order by id",
    )
    .bind(user.to_string())
    .bind(now.as_milliseconds())
    .bind(kept.map(|kept| kept.to_string()).unwrap_or_default())
    .fetch_all(tx)
    .await?
    .iter()
    .map(|row| row.parsed("id"))
    .collect::<Result<_, _>>()?;
    let mut numbers = Vec::new();
    for id in ids {
        numbers.extend(revoke(tx, actor, now, id).await?);
    }
    Ok(numbers)
}

/// Forgets sessions whose time was over before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from sessions where ends_at < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}

fn session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        facts: SessionFacts {
            session: row.parsed("id")?,
            user: row.parsed("user_id")?,
            user_name: row.column("user_name")?,
            email: row.column("email")?,
            groups: Vec::new(),
            factors: row.json("factors")?,
            opened_at: row.moment("opened_at")?,
            ends_at: row.moment("ends_at")?,
        },
        last_seen_at: row.moment("last_seen_at")?,
        ended_at: row.moment_or_null("ended_at")?,
        user_is_active: row.column::<String>("user_state")? == "active",
        client: row.column("client")?,
        user_agent: row.column("user_agent")?,
    })
}
