//! `evergate drill`: kill the instance that serves, under load, and count what that costs.
//!
//! Each service in turn: a load goes through the real doors from a client that never repeats a
//! request; the instance that is seen to answer it is killed with SIGKILL; what was lost, how long
//! it took to be noticed and taken over, and when the instance was preferred again is reported. For
//! the time of the drill there are a user and a resource of its own, both called `evergate-drill`.

mod fixture;
mod forms;
mod html;
mod metrics;
mod report;
mod service;
mod traffic;
mod victim;
mod visitor;

use std::path::PathBuf;

use evergate_model::Service;
use evergate_process::Clock;

use crate::api_client::{ApiClient, ApiError};
use crate::load::LoadClientError;
use crate::running::{Running, RunningError};

pub use html::html;
pub use report::{Fault, Report, ServiceReport};

/// What is to be drilled.
#[derive(Debug, Clone)]
pub struct Options {
    /// The installation's directory.
    pub data: PathBuf,
    /// The services, each in turn.
    pub services: Vec<Service>,
    /// What is done to the instance that serves.
    pub fault: Fault,
    /// Requests a second.
    pub rate: u32,
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
    /// The drill's own application cannot listen.
    #[error("the drill's own application cannot listen")]
    Application(#[source] std::io::Error),
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
    /// The service has one instance: there is nobody to take over.
    #[error("`{0}` has no redundant instance: killing the only one would lose requests for certain")]
    Alone(Service),
    /// No instance was seen to serve.
    #[error("no instance of `{0}` was seen to serve the load")]
    NobodyServes(Service),
    /// The process is not one of the installation's.
    #[error("process {pid} of `{instance}` is no child of supervisor {supervisor}: it is not touched")]
    NotOurs {
        /// Which instance.
        instance: String,
        /// The process that `up.json` names.
        pid: u32,
        /// The supervisor that `up.json` names.
        supervisor: u32,
    },
    /// The process could not be killed.
    #[error("`{instance}` cannot be killed")]
    Kill {
        /// Which.
        instance: String,
        /// What the system says.
        #[source]
        source: nix::Error,
    },
    /// It was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// Drills the services in turn; `progress` is told what is being done.
///
/// # Errors
/// When a drill cannot be made. Lost requests are no error: they are in the report.
pub async fn run(options: &Options, clock: &Clock, progress: impl Fn(&str)) -> Result<Report, DrillError> {
    let running = Running::read(&options.data)?;
    let api = ApiClient::local(&options.data)?;
    progress("making a user and a resource for the drill");
    let result = tokio::select! {
        result = drill_all(options, clock, &running, &api, &progress) => result,
        _ = tokio::signal::ctrl_c() => Err(DrillError::Interrupted),
    };
    progress("taking the drill's user and resource away");
    fixture::remove(&api).await?;
    result
}

async fn drill_all(
    options: &Options,
    clock: &Clock,
    running: &Running,
    api: &ApiClient,
    progress: &impl Fn(&str),
) -> Result<Report, DrillError> {
    let fixture = fixture::Fixture::make(running, api).await?;
    let mut report = Report::new(clock.now(), options.fault, options.rate);
    for service in &options.services {
        progress(&format!("{service}: {} requests a second", options.rate));
        match service::drill(options, *service, &fixture, progress).await {
            Ok(found) => report.add(found),
            Err(error) => {
                report.undrilled.insert(*service, error.to_string());
            }
        }
    }
    Ok(report)
}
