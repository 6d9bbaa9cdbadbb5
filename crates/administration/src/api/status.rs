//! Instances and links as they are now.

use std::collections::BTreeMap;

use axum::http::Method;
use evergate_model::{Instance, Name, Service, Timestamp};
use evergate_store::{Connection, configurations, installation};
use evergate_wire::report::{CandidateReport, FailoverReport, InstanceReport, InstanceState, LinkReport};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Call, Route, Stop};
use crate::office::Office;
use crate::{Failure, Privilege, statuses};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::GET,
            "/status",
            Privilege::ReadStatus,
            "instances and links as they are now",
            show,
        )
        .gives::<Status>(),
    ]
}

async fn show(call: Call) -> Result<Answer, Stop> {
    Ok(Answer::ok(&collect(&call.office).await?))
}

/// The installation as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Status {
    /// When this was put together, in milliseconds since 1970 UTC.
    pub(crate) at: i64,
    /// The published configuration version.
    pub(crate) version: u64,
    /// The latest snapshot revision.
    pub(crate) revision: u64,
    /// The active administration instance.
    pub(crate) active: Option<String>,
    /// All instances, in the order of the topology.
    pub(crate) instances: Vec<InstanceStatus>,
    /// All links.
    pub(crate) links: Vec<LinkStatus>,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct InstanceStatus {
    /// Its name.
    pub(crate) name: String,
    /// What it runs.
    pub(crate) service: String,
    /// The node it runs on.
    pub(crate) node: String,
    /// Callers prefer the lowest number.
    pub(crate) priority: u32,
    /// `starting`, `ready`, `degraded`, `draining`, `silent` or `unknown`.
    pub(crate) state: String,
    /// Why it is not plainly ready.
    pub(crate) reasons: Vec<String>,
    /// Of administration: whether it is the active one. Of others: whether it gets most callers' calls.
    pub(crate) active: bool,
    /// Its process.
    pub(crate) pid: Option<u32>,
    /// Where its callers reach it.
    pub(crate) address: String,
    /// Where its health and metrics are.
    pub(crate) operations: String,
    /// The program's version.
    pub(crate) version: Option<String>,
    /// The configuration version that it has applied.
    pub(crate) configuration: Option<u64>,
    /// The snapshot revision that it has applied.
    pub(crate) revision: Option<u64>,
    /// The generation of its internal keys.
    pub(crate) keys: Option<u64>,
    /// When its process started.
    pub(crate) since: Option<i64>,
    /// When it was heard of last.
    pub(crate) heard_at: Option<i64>,
}

/// One caller's pool of one service.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct LinkStatus {
    /// The calling instance.
    pub(crate) from: String,
    /// What it calls.
    pub(crate) to: String,
    /// Which one gets the calls.
    pub(crate) active: Option<String>,
    /// All of them, in order of preference.
    pub(crate) candidates: Vec<CandidateStatus>,
    /// How often the active one changed.
    pub(crate) failovers: u64,
    /// The last change.
    pub(crate) last: Option<LastFailover>,
}

/// One instance of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct CandidateStatus {
    /// Its name.
    pub(crate) instance: String,
    /// `up`, `suspect`, `down` or `draining`.
    pub(crate) state: String,
}

/// One change of the active instance.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct LastFailover {
    /// Why.
    pub(crate) cause: String,
    /// When.
    pub(crate) at: i64,
    /// From the first sign of trouble to the first answer of another.
    pub(crate) took_ms: u64,
}

/// Puts it together.
pub(crate) async fn collect(office: &Office) -> Result<Status, Failure> {
    let mut reading = office.store.read().await?;
    let installation = installation::get(&mut reading).await?.ok_or(Failure::Missing("installation"))?;
    let version = latest_version(&mut reading).await?;
    let now = office.now();
    let reports = statuses::latest(&mut reading, now).await?;
    drop(reading);
    let leader = leader(office, now);
    let links: Vec<LinkStatus> = installation
        .topology
        .instances
        .iter()
        .filter_map(|instance| reports.get(&instance.name))
        .filter(|report| report.state != InstanceState::Silent)
        .flat_map(|report| report.links.iter().map(|link| link_status(&report.instance, link)))
        .collect();
    let is_used = |instance: &Instance| match instance.service {
        Service::Administration => leader.as_ref() == Some(&instance.name),
        _ => is_preferred(instance, &links),
    };
    let instances = installation
        .topology
        .instances
        .iter()
        .map(|instance| instance_status(instance, reports.get(&instance.name), is_used(instance)));
    Ok(Status {
        at: now.as_milliseconds(),
        version,
        revision: installation.revision,
        active: leader.as_ref().map(ToString::to_string),
        instances: instances.collect(),
        links,
    })
}

async fn latest_version(connection: &mut Connection) -> Result<u64, Failure> {
    Ok(configurations::list(connection, 1).await?.first().map_or(0, |version| version.number))
}

fn leader(office: &Office, now: Timestamp) -> Option<Name> {
    let heads = office.heads.borrow();
    heads.active.as_ref().filter(|lease| lease.expires_at > now).map(|lease| lease.holder.clone())
}

/// Whether more links lead to this instance than to any other of its service. An access point is
/// chosen by browsers: no link leads to it.
fn is_preferred(instance: &Instance, links: &[LinkStatus]) -> bool {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    let to = links.iter().filter(|link| link.to == instance.service.as_str());
    for active in to.filter_map(|link| link.active.as_deref()) {
        *votes.entry(active).or_default() += 1;
    }
    let most = votes.values().max().copied().unwrap_or(0);
    most > 0 && votes.get(instance.name.as_str()) == Some(&most)
}

fn instance_status(instance: &Instance, report: Option<&InstanceReport>, active: bool) -> InstanceStatus {
    InstanceStatus {
        name: instance.name.to_string(),
        service: instance.service.to_string(),
        node: instance.node.to_string(),
        priority: instance.priority,
        state: report.map_or("unknown", |report| state_word(report.state)).to_owned(),
        reasons: report.map_or_else(Vec::new, |report| report.reasons.clone()),
        active,
        pid: report.map(|report| report.pid),
        address: instance.address.clone(),
        operations: instance.operations.clone(),
        version: report.map(|report| report.program.clone()),
        configuration: report.map(|report| report.configuration),
        revision: report.map(|report| report.revision),
        keys: report.map(|report| report.key_generation),
        since: report.map(|report| report.since.as_milliseconds()),
        heard_at: report.map(|report| report.at.as_milliseconds()),
    }
}

const fn state_word(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Starting => "starting",
        InstanceState::Ready => "ready",
        InstanceState::Degraded => "degraded",
        InstanceState::Draining => "draining",
        InstanceState::Silent => "silent",
    }
}

fn link_status(from: &Name, link: &LinkReport) -> LinkStatus {
    let candidate = |candidate: &CandidateReport| CandidateStatus {
        instance: candidate.instance.clone(),
        state: candidate.state.clone(),
    };
    let last = |last: &FailoverReport| LastFailover {
        cause: last.cause.clone(),
        at: last.at.as_milliseconds(),
        took_ms: last.took_ms,
    };
    LinkStatus {
        from: from.to_string(),
        to: link.to.clone(),
        active: link.active.clone(),
        candidates: link.candidates.iter().map(candidate).collect(),
        failovers: link.failovers,
        last: link.last.as_ref().map(last),
    }
}
