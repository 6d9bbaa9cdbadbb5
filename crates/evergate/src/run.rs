//! `evergate run`: one instance in this process, of whatever service its bootstrap file says.

use std::path::PathBuf;

use anyhow::Context;
use evergate_model::{Name, Service};
use evergate_process::{Bootstrap, Instance, instance};

use crate::failure::BadFile;

/// Threads of an instance: enough to answer while one of them is busy, few enough to stay small.
const THREADS: usize = 2;

/// The arguments of `evergate run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  evergate run policy1 --bootstrap policy1.json --data /var/lib/evergate")]
pub struct RunArguments {
    /// The instance's name
    pub instance: Name,
    /// What it must know before it can ask administration
    #[arg(long, value_name = "FILE")]
    pub bootstrap: PathBuf,
    /// The directory of the installation
    #[arg(long, value_name = "DIR", default_value = "./evergate-data")]
    pub data: PathBuf,
}

/// Runs the instance until a signal ends it.
///
/// # Errors
/// When the bootstrap file is wrong or another instance's, or the service cannot start.
pub fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let bootstrap = Bootstrap::read(&arguments.bootstrap)?;
    if bootstrap.instance != arguments.instance {
        let file = arguments.bootstrap.display();
        let text = format!(
            "`{file}` is the bootstrap file of `{}`, not of `{}`",
            bootstrap.instance, arguments.instance
        );
        return Err(BadFile(text).into());
    }
    let instance = Instance::prepare(bootstrap, &arguments.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(instance::run(instance, serve));
    // What still computes (a password hash, perhaps) is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(instance: Instance) -> anyhow::Result<()> {
    match instance.identity.service() {
        Service::Administration => evergate_administration::serve(instance).await,
        Service::Policy => evergate_policy::serve(instance).await,
        Service::Authentication => evergate_authentication::serve(instance).await,
        Service::Distribution => evergate_distribution::serve(instance).await,
        Service::AccessPoint => evergate_access_point::serve(instance).await,
    }
}
