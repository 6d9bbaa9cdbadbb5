//! What a drill found.

use std::collections::BTreeMap;

use evergate_model::{Name, Service, Timestamp};
use serde::Serialize;

/// What is done to the instance that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// SIGKILL: it is gone at once, with every connection.
    Crash,
}

/// A drill of one or more services.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// When it began.
    pub at: Timestamp,
    /// What was done.
    pub fault: Fault,
    /// Requests a second.
    pub rate: u32,
    /// How many requests were lost, all services together.
    pub lost: u64,
    /// Each service, in the order in which it was drilled.
    pub services: Vec<ServiceReport>,
    /// The services that could not be drilled, and why.
    pub undrilled: BTreeMap<Service, String>,
}

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceReport {
    /// Which.
    pub service: Service,
    /// What was sent.
    pub load: String,
    /// Who was killed.
    pub instance: Name,
    /// How many calls of the load it had answered.
    pub served_before: u64,
    /// How many requests were sent.
    pub sent: u64,
    /// How many were not answered well.
    pub lost: u64,
    /// How many were at the killed access point at the instant of the kill: no other could answer.
    pub in_flight: u64,
    /// Why requests were lost, and how often.
    pub reasons: BTreeMap<String, u64>,
    /// Half were answered within this.
    pub median_ms: u64,
    /// The slowest answer.
    pub slowest_ms: u64,
    /// When a caller first took the instance to be not up, after the kill.
    pub detected_ms: Option<u64>,
    /// When the first request that was sent after the kill was answered, after the kill.
    pub taken_over_ms: Option<u64>,
    /// When its next process ran, after the kill.
    pub restarted_ms: Option<u64>,
    /// When calls went to it again.
    pub failed_back: Failback,
}

/// When calls went to the killed instance again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failback {
    /// So many milliseconds after the kill.
    AfterMs(u64),
    /// Not while the drill watched: it failed often of late, and is held down.
    NotYet,
    /// Never: another is preferred.
    NotPreferred,
}

impl Report {
    pub(super) const fn new(at: Timestamp, fault: Fault, rate: u32) -> Self {
        Self { at, fault, rate, lost: 0, services: Vec::new(), undrilled: BTreeMap::new() }
    }

    /// Whether every service was drilled and no request was lost.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.undrilled.is_empty()
    }

    pub(super) fn add(&mut self, service: ServiceReport) {
        self.lost += service.lost;
        self.services.push(service);
    }
}

impl std::fmt::Display for Failback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AfterMs(milliseconds) => write!(f, "{:.1} s", *milliseconds as f64 / 1000.0),
            Self::NotYet => f.write_str("held down"),
            Self::NotPreferred => f.write_str("not preferred"),
        }
    }
}
