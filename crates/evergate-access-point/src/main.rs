//! The access point alone, for machines at the edge: nothing in this binary can open the database,
//! mint a session or read a rule.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use evergate_model::Service;
use evergate_process::{Bootstrap, Instance, instance, limits, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run one access point.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  evergate-access-point --bootstrap access-point1.json --data /var/lib/evergate"
)]
struct Arguments {
    /// What it must know before it can ask administration
    #[arg(long, value_name = "FILE")]
    bootstrap: PathBuf,
    /// Where it keeps its last good state
    #[arg(long, value_name = "DIR", default_value = "./evergate-data")]
    data: PathBuf,
    /// What is logged: a level, or levels by module
    #[arg(long, env = "EVERGATE_LOG", value_name = "FILTER", default_value = telemetry::DEFAULT_FILTER)]
    log: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    limits::use_small_pages().context("the system refuses small pages")?;
    telemetry::start_logs(&arguments.log)?;
    let bootstrap = Bootstrap::read(&arguments.bootstrap)?;
    ensure!(bootstrap.service == Service::AccessPoint, "`{}` is not an access point", bootstrap.instance);
    let instance = Instance::prepare(bootstrap, &arguments.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let outcome = runtime.block_on(instance::run(instance, evergate_access_point::serve));
    runtime.shutdown_background();
    outcome
}
