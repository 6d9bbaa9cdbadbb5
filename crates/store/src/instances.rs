//! Instances: admitted certificates, the latest status of each, and what each is asked to do.
//! Which instances there are is the topology's to say ([`crate::installation`]).

use evergate_model::snapshot::Admitted;
use evergate_model::{Name, Service, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::query::query;
use crate::row::signed;
use crate::{Actor, Connection, StoreError, Tx, audit};

/// A certificate that peers accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Admission {
    /// SHA-256 of its DER, hex.
    pub certificate: String,
    /// Whose it is.
    pub instance: Name,
    /// What that instance runs.
    pub service: Service,
    /// When it expires.
    pub not_after: Timestamp,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// The first certificate, of a bootstrap file, that it was renewed from; or itself, if it is one.
    pub line: String,
}

/// All admissions, by instance, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn admissions(connection: &mut Connection) -> Result<Vec<Admission>, StoreError> {
    query("select * from admissions order by instance, admitted_at, certificate")
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            let certificate: String = row.column("certificate")?;
            Ok(Admission {
                line: row.column::<Option<String>>("line")?.unwrap_or_else(|| certificate.clone()),
                certificate,
                instance: row.parsed("instance")?,
                service: row.parsed("service")?,
                not_after: row.moment("not_after")?,
                admitted_at: row.moment("admitted_at")?,
            })
        })
        .collect()
}

/// The line of a certificate of an instance, if it is admitted.
///
/// # Errors
/// When the database does not answer.
pub async fn line(
    connection: &mut Connection,
    instance: &Name,
    certificate: &str,
) -> Result<Option<String>, StoreError> {
    let row = query(
        "select coalesce(line, certificate) as line from admissions where instance = $1 and certificate = $2",
    );
    let row = row.bind(instance.as_str()).bind(certificate).fetch_optional(connection).await?;
    row.map(|row| row.column("line")).transpose()
}

/// Whether any certificate of an instance is admitted.
///
/// # Errors
/// When the database does not answer.
pub async fn is_admitted(connection: &mut Connection, instance: &Name) -> Result<bool, StoreError> {
    let row = query("select 1 as one from admissions where instance = $1 limit 1");
    Ok(row.bind(instance.as_str()).fetch_optional(connection).await?.is_some())
}

/// The admission list as a snapshot carries it.
///
/// # Errors
/// When the database does not answer.
pub async fn admitted(connection: &mut Connection) -> Result<Vec<Admitted>, StoreError> {
    let mut list: Vec<Admitted> = Vec::new();
    for admission in admissions(connection).await? {
        match list.last_mut() {
            Some(last) if last.instance == admission.instance && last.service == admission.service => {
                last.certificates.push(admission.certificate);
            }
            _ => list.push(Admitted {
                instance: admission.instance,
                service: admission.service,
                certificates: vec![admission.certificate],
            }),
        }
    }
    Ok(list)
}

/// Admits a certificate; of the same line at most `keep - 1` older ones stay, and of the same instance at most `keep - 1`
/// older lines: who renews cannot push others' certificates out.
///
/// # Errors
/// When the database does not answer.
pub async fn admit(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    new: &Admission,
    keep: usize,
) -> Result<(), StoreError> {
    query(
        "insert into admissions (certificate, instance, service, not_after, admitted_at, line) \
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
    )
    .bind(&new.certificate)
    .bind(new.instance.as_str())
    .bind(new.service.as_str())
    .bind(new.not_after.as_milliseconds())
    .bind(new.admitted_at.as_milliseconds())
    .bind(&new.line)
    .execute(tx)
    .await?;
    let own = admissions(tx).await?.into_iter().filter(|admission| admission.instance == new.instance);
    for certificate in too_many(&own.collect::<Vec<_>>(), new, keep.max(1) - 1) {
        query("delete from admissions where certificate = $1").bind(certificate).execute(tx).await?;
    }
    let detail = json!({ "certificate": new.certificate });
    audit::append(tx, now, actor, "instance.admitted", new.instance.as_str(), &detail).await?;
    Ok(())
}

/// The certificates of an instance, oldest first, that there is no room for beside a new one.
fn too_many<'a>(own: &'a [Admission], new: &Admission, keep: usize) -> Vec<&'a str> {
    let of_line = own.iter().rev().filter(|old| old.line == new.line && old.certificate != new.certificate);
    let mut others: Vec<&str> = Vec::new();
    for old in own.iter().rev().filter(|old| old.line != new.line) {
        if !others.contains(&old.line.as_str()) {
            others.push(&old.line);
        }
    }
    let gone: Vec<&str> = others.into_iter().skip(keep).collect();
    let of_others = own.iter().filter(|old| gone.contains(&old.line.as_str()));
    of_line.skip(keep).chain(of_others).map(|old| old.certificate.as_str()).collect()
}

/// Un-admits every certificate of an instance; whether there was one.
///
/// # Errors
/// When the database does not answer.
pub async fn dismiss(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    instance: &Name,
) -> Result<bool, StoreError> {
    let was_admitted = query("delete from admissions where instance = $1")
        .bind(instance.as_str())
        .execute(tx)
        .await?
        .rows_affected()
        > 0;
    if was_admitted {
        audit::append(tx, now, actor, "instance.dismissed", instance.as_str(), &json!({})).await?;
    }
    Ok(was_admitted)
}

/// Un-admits the certificates of an instance that are of another line; how many. Where nothing of that line is admitted,
/// nothing is done: `None`.
///
/// # Errors
/// When the database does not answer.
pub async fn dismiss_others(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    instance: &Name,
    line: &str,
) -> Result<Option<u64>, StoreError> {
    let own = admissions(tx).await?.into_iter().filter(|admission| admission.instance == *instance);
    let (kept, others): (Vec<Admission>, Vec<Admission>) = own.partition(|admission| admission.line == line);
    if kept.is_empty() {
        return Ok(None);
    }
    for other in &others {
        query("delete from admissions where certificate = $1").bind(&other.certificate).execute(tx).await?;
    }
    if !others.is_empty() {
        let detail = json!({ "certificates": others.len(), "line": line });
        audit::append(tx, now, actor, "instance.others-dismissed", instance.as_str(), &detail).await?;
    }
    Ok(Some(others.len() as u64))
}

/// Un-admits certificates that expired before `before`; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn dismiss_expired(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(query("delete from admissions where not_after < $1")
        .bind(before.as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}

/// What an instance said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which instance.
    pub instance: Name,
    /// What it said: JSON.
    pub status: String,
    /// When.
    pub at: Timestamp,
}

/// The latest status of every instance that ever reported.
///
/// # Errors
/// When the database does not answer.
pub async fn statuses(connection: &mut Connection) -> Result<Vec<Status>, StoreError> {
    query("select * from statuses order by instance")
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(Status {
                instance: row.parsed("instance")?,
                status: row.column("status")?,
                at: row.moment("at")?,
            })
        })
        .collect()
}

/// Keeps what an instance said, unless something later is there.
///
/// # Errors
/// When the database does not answer.
pub async fn put_status(tx: &mut Tx, status: &Status) -> Result<(), StoreError> {
    query(
        "insert into statuses (instance, status, at) values ($1, $2, $3) on conflict (instance) do update \
         set status = excluded.status, at = excluded.at where excluded.at >= statuses.at",
    )
    .bind(status.instance.as_str())
    .bind(&status.status)
    .bind(status.at.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}

/// What an instance is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// Which instance.
    pub instance: Name,
    /// `drain`, `resume` or `restart`.
    pub wish: String,
    /// Raised by each wish, so that the same one can be made again.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// What the instances are asked to do.
///
/// # Errors
/// When the database does not answer.
pub async fn wishes(connection: &mut Connection) -> Result<Vec<Wish>, StoreError> {
    query("select * from wishes order by instance")
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(Wish {
                instance: row.parsed("instance")?,
                wish: row.column("wish")?,
                number: row.count("number")?,
                at: row.moment("at")?,
            })
        })
        .collect()
}

/// Asks an instance to do something; the wish's number.
///
/// # Errors
/// When the database does not answer.
pub async fn wish(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    instance: &Name,
    wish: &str,
) -> Result<u64, StoreError> {
    let number = query(
        "insert into wishes (instance, wish, number, at) values ($1, $2, 1, $3) on conflict (instance) do update \
         set wish = excluded.wish, number = wishes.number + 1, at = excluded.at returning number",
    )
    .bind(instance.as_str())
    .bind(wish)
    .bind(now.as_milliseconds())
    .fetch_one(tx)
    .await?
    .count("number")?;
    let detail = json!({ "wish": wish, "number": signed(number) });
    audit::append(tx, now, actor, "instance.asked", instance.as_str(), &detail).await?;
    Ok(number)
}

/// Where browsers and API clients reach an instance: JSON; `None` where nothing was said.
///
/// # Errors
/// When the database does not answer.
pub async fn listeners(connection: &mut Connection, instance: &Name) -> Result<Option<String>, StoreError> {
    query("select listeners from listeners where instance = $1")
        .bind(instance.as_str())
        .fetch_optional(connection)
        .await?
        .map(|row| row.column("listeners"))
        .transpose()
}

/// Says where browsers and API clients reach an instance.
///
/// # Errors
/// When the database does not answer.
pub async fn set_listeners(tx: &mut Tx, instance: &Name, listeners: &str) -> Result<(), StoreError> {
    query(
        "insert into listeners (instance, listeners) values ($1, $2) \
         on conflict (instance) do update set listeners = excluded.listeners",
    )
    .bind(instance.as_str())
    .bind(listeners)
    .execute(tx)
    .await?;
    Ok(())
}
