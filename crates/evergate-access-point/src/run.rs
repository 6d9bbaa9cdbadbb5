//! The access point in this process.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use evergate_model::Service;
use evergate_process::{Bootstrap, Instance, instance};

/// What an access point is told.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArguments {
    /// What it must know before it can ask administration
    #[arg(long, value_name = "FILE")]
    pub(crate) bootstrap: PathBuf,
    /// Where it keeps its last good state
    #[arg(long, value_name = "DIR", default_value = "./evergate-data")]
    pub(crate) data: PathBuf,
}

/// Reads the bootstrap file of an access point.
pub(crate) fn bootstrap(arguments: &RunArguments) -> anyhow::Result<Bootstrap> {
    let bootstrap = Bootstrap::read(&arguments.bootstrap)?;
    ensure!(bootstrap.service == Service::AccessPoint, "`{}` is not an access point", bootstrap.instance);
    Ok(bootstrap)
}

/// Runs it until a signal ends it.
pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let instance = Instance::prepare(bootstrap(arguments)?, &arguments.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let outcome = runtime.block_on(instance::run(instance, evergate_access_point::serve));
    runtime.shutdown_background();
    outcome
}
