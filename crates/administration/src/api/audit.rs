//! The audit log, and whether its chain holds.

use axum::http::Method;
use evergate_model::{Period, Timestamp};
use evergate_store::audit::{self, Entry, Verification};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::{Failure, Privilege};

const PAGE: u32 = 1000;

pub(super) fn routes() -> Vec<Route> {
    let read = Privilege::ReadAudit;
    vec![
        Route::new(Method::GET, "/audit", read, "what happened, oldest first", list)
            .query::<Filter>()
            .gives::<List>(),
        Route::new(Method::GET, "/audit/verify", read, "whether the log was changed", verify)
            .gives::<Verified>(),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only records above this number; absent: the latest page.
    after: Option<u64>,
    /// Only records since then: RFC 3339, milliseconds since 1970 UTC, or a time ago such as `1h`.
    since: Option<String>,
    /// Only records about this.
    subject: Option<String>,
    /// At most so many.
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct List {
    records: Vec<Record>,
}

#[derive(Serialize, JsonSchema)]
struct Record {
    number: u64,
    at: i64,
    actor: String,
    action: String,
    subject: String,
    detail: serde_json::Value,
    /// This record's hash, hex; each covers all before it.
    hash: String,
}

#[derive(Serialize, JsonSchema)]
struct Verified {
    intact: bool,
    /// How many records were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    /// The last record's hash; worth noting elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    /// The first record that does not follow from the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<u64>,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    let filter: Filter = call.query()?;
    let limit = filter.limit.unwrap_or(PAGE).min(PAGE);
    let since = filter.since.as_deref().map(|text| moment("since", text, call.office.now())).transpose()?;
    let mut reading = call.read().await?;
    let after = match (filter.after, since) {
        (Some(after), _) => after,
        (None, Some(_)) => 0,
        (None, None) => audit::last_number(&mut reading).await?.saturating_sub(u64::from(limit)),
    };
    let filter = audit::Filter { after, since, subject: filter.subject };
    let entries = audit::list(&mut reading, &filter, limit).await?;
    Ok(Answer::ok(&List { records: entries.into_iter().map(record).collect() }))
}

fn record(entry: Entry) -> Record {
    Record {
        number: entry.number,
        at: entry.at.as_milliseconds(),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
        hash: entry.hash,
    }
}

async fn verify(call: Call) -> Result<Answer, Stop> {
    let verified = match audit::verify(&mut *call.read().await?).await? {
        Verification::Whole { rows, head } => {
            Verified { intact: true, records: Some(rows), head: Some(head), broken_at: None }
        }
        Verification::Broken { number } => {
            Verified { intact: false, records: None, head: None, broken_at: Some(number) }
        }
    };
    Ok(Answer::ok(&verified))
}

/// A moment as callers write it: RFC 3339, milliseconds since 1970 UTC, or a time ago.
pub(super) fn moment(place: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(milliseconds) = text.parse() {
        return Ok(Timestamp::from_milliseconds(milliseconds));
    }
    if let Ok(ago) = text.parse::<Period>() {
        return Ok(now.minus(ago.as_duration()));
    }
    let parsed = text.parse::<jiff::Timestamp>();
    parsed.map(|at| Timestamp::from_milliseconds(at.as_millisecond())).map_err(|_| {
        Failure::invalid(
            place,
            format!("`{}` is not a moment: write RFC 3339, or a time ago such as `1h`", text.escape_debug()),
        )
    })
}
