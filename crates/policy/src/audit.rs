//! `RecordAudit` and `ReportActivity`: what access points have to tell.

use evergate_model::id::{Request, Session};
use evergate_model::{Id, Name, Timestamp};
use evergate_store::{Actor, audit, effects, sessions};
use evergate_wire::convert::{ConvertError, parse};
use evergate_wire::proto::{
    RecordAuditReply, RecordAuditRequest, ReportActivityReply, ReportActivityRequest,
};
use serde_json::json;

use crate::PolicyError;
use crate::policy::Policy;

/// So many records or sessions in one call at most.
const MOST: usize = 10_000;
/// All that an access point may say has happened: what others do, they put into the log themselves.
const ACTIONS: [&str; 1] = ["access.denied"];
/// The longest text of a record that is kept, in characters; paths are much longer sometimes.
const LONGEST: usize = 512;

pub(crate) async fn record(
    policy: &Policy,
    request: RecordAuditRequest,
    access_point: &Name,
) -> Result<RecordAuditReply, PolicyError> {
    at_most(request.records.len(), "records")?;
    let now = policy.now();
    let actor = Actor::Instance(access_point.clone());
    let mut tx = policy.0.database.store()?.begin().await?;
    for record in &request.records {
        let id: Id<Request> = parse("records.request", &record.request)?;
        if !ACTIONS.contains(&record.action.as_str()) {
            return Err(ConvertError::new("records.action", "not an access point's to record").into());
        }
        let key = format!("audit:{id}:{}", record.action);
        if effects::find::<u64>(&mut tx, &key, "").await?.is_some() {
            continue;
        }
        let detail = json!({
            "request": id, "at": Timestamp::from_milliseconds(record.at), "user": shortened(&record.user),
            "client": shortened(&record.client), "detail": shortened(&record.detail),
        });
        let resource = shortened(&record.resource);
        let number = audit::append(&mut tx, now, &actor, &record.action, resource, &detail).await?;
        effects::remember(&mut tx, &key, "", &number, now).await?;
    }
    tx.commit().await?;
    Ok(RecordAuditReply {})
}

pub(crate) async fn activity(
    policy: &Policy,
    request: ReportActivityRequest,
) -> Result<ReportActivityReply, PolicyError> {
    at_most(request.activities.len(), "activities")?;
    let now = policy.now();
    let mut batch: Vec<(Id<Session>, Timestamp)> = Vec::new();
    for activity in &request.activities {
        let at = Timestamp::from_milliseconds(activity.last_seen_at).min(now);
        batch.push((parse("activities.session", &activity.session)?, at));
    }
    let mut tx = policy.0.database.store()?.begin().await?;
    for (session, at) in batch {
        sessions::seen(&mut tx, session, at).await?;
    }
    tx.commit().await?;
    Ok(ReportActivityReply {})
}

fn shortened(text: &str) -> &str {
    text.char_indices().nth(LONGEST).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn at_most(number: usize, field: &'static str) -> Result<(), ConvertError> {
    if number > MOST { Err(ConvertError::new(field, "too many at once")) } else { Ok(()) }
}
