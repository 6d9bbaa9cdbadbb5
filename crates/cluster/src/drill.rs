//! `evergate drill`: strike the instance that serves, under load, and count what that costs.
//!
//! Each subject in turn: a load goes through the real doors from a client that never repeats a
//! request; the instance that is seen to answer it is killed or stopped; what was lost, how long it
//! took to be noticed, taken over and healed, and when it was preferred again is reported, and
//! whether everything that had to happen once did. For the time of the drill there are users and a
//! resource of its own, called `evergate-drill`. Interrupted, it heals and takes them away; where it
//! cannot do so itself, the supervisor ([`hand`]) and a process that outlives it ([`guard`]) do.

mod application;
mod eye;
mod fixture;
mod forms;
mod guard;
mod hand;
mod html;
mod ledger;
mod metrics;
mod readiness;
mod report;
mod round;
#[cfg(test)]
mod sample;
mod scene;
mod subject;
mod timeline;
mod traffic;
mod victim;
mod visitor;

use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER;
use evergate_process::Clock;
use evergate_process::supervisor::control::ControlError;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use self::fixture::Fixture;
use self::guard::Guard;
use self::hand::Hand;
use self::scene::Scene;
use crate::api_client::{ApiClient, ApiError};
use crate::load::LoadClientError;
use crate::running::{Running, RunningError};

pub use application::{COMMAND as APPLICATION_COMMAND, serve as serve_application};
pub use guard::{COMMAND as GUARD_COMMAND, guard};
pub use html::html;
pub use ledger::Once;
pub use report::{Failback, Fault, Healed, Mark, Report, ServiceReport, requests};
pub use subject::{Subject, SubjectError};
pub use timeline::Timeline;

/// Within this, what has just become ready is reported.
const REPORTS: Duration = Duration::from_secs(4);

/// What is to be drilled.
#[derive(Debug, Clone)]
pub struct Options {
    /// The installation's directory.
    pub data: PathBuf,
    /// The executable that knows [`APPLICATION_COMMAND`] and [`GUARD_COMMAND`].
    pub program: PathBuf,
    /// What is struck, each in turn.
    pub subjects: Vec<Subject>,
    /// What is done to the instance that serves.
    pub fault: Fault,
    /// Requests a second.
    pub rate: u32,
    /// Whether a subject is watched until calls go to the struck instance again.
    pub wait_for_failback: bool,
}

/// What the operator is told meanwhile.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// What is done next: a line that stays.
    Step(&'a str),
    /// How it goes at this moment: replaced by the next.
    Now(&'a str),
}

/// Why there was no drill.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The installation does not run.
    #[error(transparent)]
    Running(#[from] RunningError),
    /// The API refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No load can be made.
    #[error(transparent)]
    Load(#[from] LoadClientError),
    /// A server of the drill's own application cannot be started.
    #[error("a server of the drill's own application cannot be started")]
    Application(#[source] std::io::Error),
    /// The process that cleans up after a killed drill cannot be started.
    #[error("the process that cleans up after a killed drill cannot be started")]
    Guard(#[source] std::io::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
    /// The addresses in `up.json` are none.
    #[error("the addresses in `up.json` cannot be used")]
    Addresses,
    /// The drill's user cannot sign in.
    #[error("the drill's user cannot sign in: {0}")]
    SignIn(String),
    /// An instance does not tell its metrics.
    #[error("`{instance}` does not tell its metrics: {why}")]
    Metrics {
        /// Which.
        instance: String,
        /// What happened.
        why: String,
    },
    /// Nobody would take over.
    #[error("{subject} is not struck, nobody would take over: {}", missing.join("; "))]
    NotRedundant {
        /// What was to be struck.
        subject: Subject,
        /// Everything that is missing.
        missing: Vec<String>,
    },
    /// No instance was seen to serve.
    #[error("nobody was seen to serve the load of {0}")]
    NobodyServes(Subject),
    /// The supervisor does not do the fault.
    #[error(transparent)]
    Supervisor(#[from] ControlError),
    /// A server of the drill's own application could not be struck.
    #[error("`{instance}` cannot be struck")]
    Strike {
        /// Which.
        instance: String,
        /// What the system says.
        #[source]
        source: nix::Error,
    },
    /// It was interrupted.
    #[error("interrupted; everything that was struck is healed")]
    Interrupted,
}

/// Drills the subjects in turn; `progress` is told what is being done.
///
/// # Errors
/// When a drill cannot be made. Lost requests are no error: they are in the report.
pub async fn run(
    options: &Options,
    clock: &Clock,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Report, DrillError> {
    let running = Running::read(&options.data)?;
    let api = ApiClient::local(&options.data)?;
    refuse_alone(&api, &options.subjects, progress).await?;
    let name = format!("drill-{}", HEXLOWER.encode(&rand::random::<[u8; 6]>()));
    let by = operator();
    let guard = Guard::start(&options.program, &options.data, &name).await?;
    let detail = json!({
        "by": by, "fault": options.fault, "rate": options.rate, "services": options.subjects,
    });
    scene::note(&api, &name, "started", detail).await?;
    progress(Progress::Step("making users and a resource for the drill"));
    let empty = Report {
        drill: name.clone(),
        at: clock.now(),
        by,
        fault: options.fault,
        rate: options.rate,
        good: true,
        lost: 0,
        services: Vec::new(),
        undrilled: Default::default(),
    };
    let result = tokio::select! {
        result = drill_all(options, clock, &running, &api, empty, progress) => result,
        interrupted = interrupted() => Err(interrupted.err().unwrap_or(DrillError::Interrupted)),
    };
    progress(Progress::Step("taking the drill's users and resource away"));
    fixture::remove(&api).await?;
    scene::note(&api, &name, "ended", outcome(&result)).await?;
    guard.dismiss().await?;
    result
}

/// Refuses the whole drill if any of the subjects would be lost with the one that is struck. What
/// instances say of themselves is some seconds old, so that one look is not enough.
async fn refuse_alone(
    api: &ApiClient,
    subjects: &[Subject],
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<(), DrillError> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let status = api.get("/status").await?;
        let alone = subjects.iter().find_map(|subject| {
            let missing = readiness::missing(&status, *subject);
            (!missing.is_empty()).then_some(DrillError::NotRedundant { subject: *subject, missing })
        });
        match alone {
            None => return Ok(()),
            Some(refusal) if began.elapsed() >= REPORTS => return Err(refusal),
            Some(refusal) => {
                if !std::mem::replace(&mut told, true) {
                    progress(Progress::Step(&format!("waiting a moment: {refusal}")));
                }
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn drill_all(
    options: &Options,
    clock: &Clock,
    running: &Running,
    api: &ApiClient,
    mut report: Report,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Report, DrillError> {
    let hand = Hand::new(&options.program, &options.data).await?;
    let fixture = Fixture::make(running, api, &hand.servers).await?;
    let name = report.drill.clone();
    let mut scene = Scene { options, clock, api, name: &name, fixture, hand, progress };
    for subject in &options.subjects {
        scene.step(&format!("{subject}: {} requests a second, {}", options.rate, subject.load()));
        let drilled = match scene.settle(*subject).await {
            Ok(()) => round::round(&mut scene, *subject).await,
            Err(error) => Err(error),
        };
        match drilled {
            Ok(found) => report.add(found),
            Err(error) => report.leave_out(*subject, error.to_string()),
        }
    }
    Ok(report)
}

/// Resolves when the operator, or the system, wants an end.
async fn interrupted() -> Result<(), DrillError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DrillError::Signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(DrillError::Signals)?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.map_err(DrillError::Signals),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

/// Who starts this, as the system knows them.
fn operator() -> String {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    let user = user.map_or_else(|| uid.to_string(), |user| user.name);
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(machine) => format!("{user}@{}", machine.trim()),
        Err(_) => user,
    }
}

/// What came of a drill, for the audit log.
fn outcome(result: &Result<Report, DrillError>) -> Value {
    let report = match result {
        Ok(report) => report,
        Err(DrillError::Interrupted) => return json!({ "result": "interrupted" }),
        Err(error) => return json!({ "result": "failed", "why": error.to_string() }),
    };
    let services = report.services.iter().map(|service| {
        json!({
            "service": service.service, "instance": service.instance, "sent": service.sent,
            "lost": service.lost, "slowest_ms": service.slowest_ms, "taken_over_ms": service.taken_over_ms,
            "failed_back": service.failed_back, "faults": service.faults.iter().take(4).collect::<Vec<_>>(),
        })
    });
    json!({
        "result": if report.good { "good" } else { "bad" },
        "lost": report.lost,
        "services": services.collect::<Vec<_>>(),
        "undrilled": report.undrilled.keys().collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_is_told_what_came_of_it() {
        let good = outcome(&Ok(sample::report()));
        assert_eq!((&good["result"], &good["lost"]), (&json!("good"), &json!(0)));
        assert_eq!(good["services"][0]["instance"], "policy1");
        assert!(good.to_string().len() < 4096, "a note is short");
        assert_eq!(outcome(&Err(DrillError::Interrupted))["result"], "interrupted");
        assert_eq!(outcome(&Err(DrillError::Addresses))["result"], "failed");
    }

    #[test]
    fn a_refusal_names_everything_that_is_missing() {
        let missing =
            vec!["only one is ready".to_owned(), "access-point1 takes policy2 to be down".to_owned()];
        let error = DrillError::NotRedundant { subject: Subject::Upstream, missing };
        assert_eq!(
            error.to_string(),
            "upstream is not struck, nobody would take over: only one is ready; access-point1 takes policy2 to be down"
        );
    }
}
