//! `evergate up`: the whole installation on this machine, under one supervisor.
//!
//! In order: the directory and its lock, what an earlier supervisor left running, the ports, the
//! installation itself (made, completed or joined), the listening sockets of the access points, the child
//! processes; then `up.json` follows what happens until a signal ends everything in order.

mod announce;
pub(crate) mod children;
pub(crate) mod directory;
mod home;
mod layout;
pub(crate) mod network;
mod ports;
mod protect;
mod readiness;
mod up_file;

use std::path::PathBuf;

use anyhow::Context;
use evergate_cluster::deployed::Deployed;
use evergate_model::{Host, Name};
use evergate_process::supervisor::{self, Oversight, Supervisor, control};
use evergate_process::{Lifecycle, limits};

use self::children::Programs;
use self::directory::Directory;
use self::home::Home;
use self::layout::Layout;
use self::protect::Protect;
use self::up_file::UpFile;
use crate::failure::hinted;

pub use self::up_file::{FILE, RunningInstance, Up};

/// The arguments of `evergate up`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  evergate up\n  evergate up --protect wiki=http://127.0.0.1:3000\n  \
                  evergate up --network network.yml --node node-b --join node-b.token")]
pub struct UpArguments {
    /// Where all state is kept; made at the first start
    #[arg(long, value_name = "DIR", default_value = "./evergate-data")]
    pub data: PathBuf,
    /// Which instances there are; without it, two of each service
    #[arg(long, value_name = "FILE")]
    pub network: Option<PathBuf>,
    /// Which node of the network file this machine is
    #[arg(long, value_name = "NAME", requires = "network", conflicts_with = "listen_base")]
    pub node: Option<Name>,
    /// Join an installation that another machine began, by the file of `evergate cluster join-token`
    #[arg(long, value_name = "TOKEN-FILE", requires = "node")]
    pub join: Option<PathBuf>,
    /// Publish an application as NAME.DOMAIN, for users who know their password
    #[arg(long, value_name = "NAME=URL")]
    pub protect: Vec<Protect>,
    /// The first of the ports; browsers use this one
    #[arg(long, value_name = "PORT", default_value_t = 10443, value_parser = clap::value_parser!(u16).range(1..=65400))]
    pub listen_base: u16,
    /// The domain below which the hosts are named
    #[arg(long, value_name = "DOMAIN", default_value = "localhost")]
    pub domain: Host,
    /// Make no demo application and no demo user at the first start
    #[arg(long)]
    pub no_demo: bool,
}

/// Runs the installation until a signal ends it.
///
/// # Errors
/// When it cannot be started; what was there before is then unchanged.
pub async fn up(arguments: &UpArguments, log: Option<&str>) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::new();
    lifecycle.stop_on_signals().context("cannot listen to signals")?;
    limits::raise_open_files().context("cannot raise the number of open files")?;
    let network = network::read_or_built_in(arguments.network.as_deref())?;
    let layout = network::layout(&network, arguments)?;
    let directory = Directory::take(&arguments.data)?;
    refuse_deployed(&directory)?;
    up_file::remove_stale(&directory)?;
    let programs = Programs::find(directory.path(), log)?;
    supervisor::end_orphans(programs.executable(), |arguments| programs.started(arguments)).await;
    layout.check_free()?;

    let announcer = announce::Announcer::start(layout.here().count());
    let home = Home::make(arguments, &network, &layout, &directory).await?;
    let doors = layout.open_doors()?;
    let specs = programs.all(&layout, &doors);
    let oversight = Oversight { database: home.sqlite.clone(), control: control_socket(&directory) };
    let supervisor = Supervisor::start(&lifecycle, specs, &directory.logs());
    supervisor.oversee(&lifecycle, oversight);
    let up_file = UpFile::new(&directory, &layout, &home);
    let outcome = attend(&lifecycle, &supervisor, &directory, &layout, &up_file, announcer).await;
    up_file.remove();
    lifecycle.stop("ended");
    supervisor.stop().await;
    outcome
}

/// An installation that was brought into a swarm runs there.
fn refuse_deployed(directory: &Directory) -> anyhow::Result<()> {
    let Some(deployed) = Deployed::read(directory.path())? else { return Ok(()) };
    let text = format!(
        "the installation in `{}` runs in a swarm, as stack `{}`",
        directory.path().display(),
        deployed.stack
    );
    Err(hinted(text, "see it with `evergate status`; another installation needs another directory (--data)"))
}

/// Drills and `demo remove` need it, and nobody else: without it the installation runs all the same.
fn control_socket(directory: &Directory) -> Option<tokio::net::UnixListener> {
    let bound = control::bind(directory.path());
    bound.inspect_err(|error| tracing::warn!(%error, "there is no control socket; no drill can be made")).ok()
}

/// From the first start of the children to the signal.
async fn attend(
    lifecycle: &Lifecycle,
    supervisor: &Supervisor,
    directory: &Directory,
    layout: &Layout,
    up_file: &UpFile,
    announcer: announce::Announcer,
) -> anyhow::Result<()> {
    let logs = directory.logs();
    tokio::select! {
        ready = readiness::wait(layout, supervisor.states(), &logs, &announcer) => ready?,
        () = lifecycle.stopping() => return Ok(()),
    }
    up_file.write(&supervisor.states().borrow_and_update())?;
    announcer.ready(up_file);
    tokio::select! {
        followed = up_file.follow(supervisor.states()) => followed,
        () = lifecycle.stopping() => Ok(()),
    }
}
