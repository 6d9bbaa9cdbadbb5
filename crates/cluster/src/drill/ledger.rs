//! Whether what was done under a drill was done once: what the load had acknowledged, against what
//! the installation has.
//!
//! An instance that was stopped with a write in its hands may do it when it wakes, after another
//! has done it: then more is found than was ever begun.

use std::sync::atomic::{AtomicU64, Ordering};

use evergate_model::{Service, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::Subject;
use super::fixture::{NAME, VISITORS, visitor_name};
use crate::api_client::{ApiClient, ApiError};

/// At most so many audit records come at once.
const PAGE: usize = 1000;

/// How many deeds of a load were begun, and how many of these were acknowledged.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

impl Deeds {
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

/// What was to happen once each, and how often it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Once {
    /// What was counted.
    pub what: &'static str,
    /// How many the load began.
    pub begun: u64,
    /// How many it was told were done.
    pub acknowledged: u64,
    /// How many the installation has.
    pub found: u64,
}

impl Once {
    /// Nothing that was acknowledged is missing, and nothing is there that was not begun.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.acknowledged <= self.found && self.found <= self.begun
    }
}

impl std::fmt::Display for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, begun, acknowledged, found } = self;
        write!(f, "{what}: {begun} begun, {acknowledged} acknowledged, {found} found")
    }
}

/// Counts what the installation has of the subject's deeds since then; `None` where the load only
/// reads.
pub(super) async fn count(
    api: &ApiClient,
    subject: Subject,
    deeds: &Deeds,
    since: Timestamp,
) -> Result<Option<Once>, ApiError> {
    let (what, found) = match subject {
        Subject::Service(Service::Authentication) => ("sessions opened", sessions(api).await?),
        Subject::Service(Service::Distribution) => ("mails taken in", mails(api, since).await?),
        Subject::Service(Service::Administration) => ("changes in the audit log", changes(api, since).await?),
        _ => return Ok(None),
    };
    let (begun, acknowledged) =
        (deeds.begun.load(Ordering::Relaxed), deeds.acknowledged.load(Ordering::Relaxed));
    Ok(Some(Once { what, begun, acknowledged, found }))
}

/// The visitors are new with each drill, and one load signs them in.
async fn sessions(api: &ApiClient) -> Result<u64, ApiError> {
    let mut found = 0;
    for visitor in 0..VISITORS {
        let answer = api.get(&format!("/sessions?user={}", visitor_name(visitor))).await?;
        found += length(&answer, "sessions");
    }
    Ok(found)
}

async fn mails(api: &ApiClient, since: Timestamp) -> Result<u64, ApiError> {
    let answer = api.get(&format!("/mail/probes?since={}", since.as_milliseconds())).await?;
    Ok(answer.get("accepted").and_then(Value::as_u64).unwrap_or_default())
}

async fn changes(api: &ApiClient, since: Timestamp) -> Result<u64, ApiError> {
    let user = api.get(&format!("/users/{NAME}")).await?;
    let user = user.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut found = 0;
    let mut from = format!("since={}", since.as_milliseconds());
    loop {
        let page = api.get(&format!("/audit?subject={user}&limit={PAGE}&{from}")).await?;
        let records = page.get("records").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let is_change =
            |record: &&Value| record.get("action").is_some_and(|action| action == "user.email-changed");
        found += records.iter().filter(is_change).count() as u64;
        match records.last().and_then(|record| record.get("number")).and_then(Value::as_u64) {
            Some(last) if records.len() >= PAGE => from = format!("after={last}"),
            _ => return Ok(found),
        }
    }
}

fn length(answer: &Value, list: &str) -> u64 {
    answer.get(list).and_then(Value::as_array).map_or(0, |list| list.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_neither_twice_nor_never() {
        let once = |begun, acknowledged, found| Once { what: "mails taken in", begun, acknowledged, found };
        assert!(once(10, 10, 10).is_kept());
        assert!(once(10, 8, 9).is_kept(), "one was done whose answer did not arrive");
        assert!(!once(10, 10, 11).is_kept(), "one was done twice");
        assert!(!once(10, 10, 9).is_kept(), "one was acknowledged and not done");
        assert_eq!(once(3, 2, 2).to_string(), "mails taken in: 3 begun, 2 acknowledged, 2 found");
    }
}
