//! The processes that a drill starts: the servers of its application, and its guard.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use evergate_cluster::drill;

/// The arguments of a server of the drill's application.
#[derive(Debug, clap::Args)]
pub struct ApplicationArguments {
    /// Where it listens; its address is printed.
    #[arg(long)]
    listen: SocketAddr,
    /// The drill's process: it ends with it.
    #[arg(long)]
    parent: u32,
}

/// The arguments of the guard.
#[derive(Debug, clap::Args)]
pub struct GuardArguments {
    /// The installation's directory.
    #[arg(long)]
    data: PathBuf,
    /// The drill's name in the audit log.
    #[arg(long)]
    drill: String,
}

/// Serves until it is killed.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn application(arguments: &ApplicationArguments) -> anyhow::Result<()> {
    let served = drill::serve_application(arguments.listen, arguments.parent).await;
    served.with_context(|| format!("cannot serve on `{}`", arguments.listen))
}

/// Cleans up after a drill that was killed.
///
/// # Errors
/// When that fails.
pub(crate) async fn guard(arguments: &GuardArguments) -> anyhow::Result<()> {
    drill::guard(&arguments.data, &arguments.drill).await.context("cannot clean up after a drill")
}
