//! What an instance says of itself to administration: JSON inside `ReportStatusRequest`.

use evergate_failover::engine::{Candidate, PoolStatus};
use evergate_model::{DatabaseTimeline, Name, Service, Timestamp};
use serde::{Deserialize, Serialize};

/// What an instance says of itself, every second and at each change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// The instance.
    pub instance: Name,
    /// What it runs.
    pub service: Service,
    /// Its process.
    pub pid: u32,
    /// When the process started.
    pub since: Timestamp,
    /// The program's version.
    pub program: String,
    /// The snapshot revision that it has applied.
    pub revision: u64,
    /// The configuration version that it has applied.
    pub configuration: u64,
    /// The generation of its internal keys.
    pub key_generation: u64,
    /// How it is.
    pub state: InstanceState,
    /// Why it is not plainly ready.
    pub reasons: Vec<String>,
    /// Its pools.
    pub links: Vec<LinkReport>,
    /// The highest timeline of the database that it has seen; `None` where it has none.
    #[serde(default)]
    pub database: Option<DatabaseTimeline>,
    /// When this was said.
    pub at: Timestamp,
}

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Not yet serving.
    Starting,
    /// Serving.
    Ready,
    /// Serving, with reasons to look.
    Degraded,
    /// Finishing what it has; takes nothing new.
    Draining,
    /// Not heard of for a while (administration says so, never the instance).
    Silent,
}

/// One pool: the calls from this instance to one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkReport {
    /// Whose instances are called: `policy`, or `upstream/NAME` for a resource's servers.
    pub to: String,
    /// The instance that gets the calls now.
    pub active: Option<String>,
    /// All of them, in order of preference.
    pub candidates: Vec<CandidateReport>,
    /// How often the active one changed since this process started.
    pub failovers: u64,
    /// The last change.
    pub last: Option<FailoverReport>,
}

impl LinkReport {
    /// How a pool to `to` is.
    #[must_use]
    pub fn new(to: &str, status: PoolStatus) -> Self {
        let candidate = |candidate: Candidate| CandidateReport {
            instance: candidate.instance.to_string(),
            state: candidate.state.as_str().to_owned(),
        };
        Self {
            to: to.to_owned(),
            active: status.active.map(|member| member.to_string()),
            candidates: status.candidates.into_iter().map(candidate).collect(),
            failovers: status.failovers,
            last: status.last.map(|last| FailoverReport {
                from: None,
                to: None,
                cause: last.cause.to_string(),
                at: last.at,
                took_ms: last.took_ms,
            }),
        }
    }
}

/// One instance of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateReport {
    /// Its name.
    pub instance: String,
    /// What the caller thinks of it: `up`, `suspect`, `down`, `draining`.
    pub state: String,
}

/// One change of the active instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailoverReport {
    /// From which.
    pub from: Option<String>,
    /// To which.
    pub to: Option<String>,
    /// Why.
    pub cause: String,
    /// When.
    pub at: Timestamp,
    /// From the first sign of trouble to the first answer of the other, in milliseconds.
    pub took_ms: u64,
}
