//! What all rounds of a drill have in common.

use std::time::Duration;

use evergate_process::Clock;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::fixture::Fixture;
use super::hand::Hand;
use super::{DrillError, Options, Progress, Subject, readiness};
use crate::api_client::{ApiClient, ApiError};

/// So long the installation may take to be whole again between two rounds.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long a preferred instance that is held down is waited for before a round.
const HELD: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(500);

/// What all rounds of a drill have in common.
pub(super) struct Scene<'a> {
    pub(super) options: &'a Options,
    pub(super) clock: &'a Clock,
    pub(super) api: &'a ApiClient,
    pub(super) name: &'a str,
    pub(super) fixture: Fixture,
    pub(super) hand: Hand,
    pub(super) progress: &'a (dyn Fn(Progress<'_>) + Sync),
}

impl Scene<'_> {
    /// Says what is done next.
    pub(super) fn step(&self, text: &str) {
        (self.progress)(Progress::Step(text));
    }

    /// Says how it goes at this moment.
    pub(super) fn now(&self, text: &str) {
        (self.progress)(Progress::Now(text));
    }

    /// Writes a line into the audit log.
    pub(super) async fn note(&self, happening: &str, detail: Value) -> Result<(), ApiError> {
        note(self.api, self.name, happening, detail).await
    }

    /// Waits until the subject may be struck, and until its preferred instance is preferred again.
    pub(super) async fn settle(&self, subject: Subject) -> Result<(), DrillError> {
        let began = Instant::now();
        let mut told = String::new();
        loop {
            let status = self.api.get("/status").await?;
            let missing = readiness::missing(&status, subject);
            let held = readiness::held_down(&status, subject).filter(|_| began.elapsed() < HELD);
            let waits = match (missing.as_slice(), held) {
                ([], None) => return Ok(()),
                ([], Some(name)) => {
                    let at_most = HELD.as_secs();
                    format!("{subject}: waiting until {name} is preferred again, {at_most} s at most")
                }
                (_, _) if began.elapsed() >= PATIENCE => {
                    return Err(DrillError::NotRedundant { subject, missing });
                }
                ([first, ..], _) => {
                    format!("{subject}: waiting, {} s at most: {first}", PATIENCE.as_secs())
                }
            };
            if waits != told {
                self.step(&waits);
                told = waits;
            }
            sleep(LOOK).await;
        }
    }
}

/// Writes a line about a drill into the audit log.
pub(super) async fn note(
    api: &ApiClient,
    drill: &str,
    happening: &str,
    detail: Value,
) -> Result<(), ApiError> {
    api.post("/drills", &json!({ "drill": drill, "happening": happening, "detail": detail })).await?;
    Ok(())
}
