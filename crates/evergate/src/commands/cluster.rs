//! `evergate cluster`: an installation on a Docker Swarm, from `network.yml`.

mod check;
mod deploy;
mod founding;
mod images;
mod inputs;
mod join;
mod join_token;
mod managed;
mod node;
mod office;
mod remove;
mod rollout;
mod swarm;

use std::io::{IsTerminal, Write, stderr, stdin};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use evergate_cluster::network::{Network, NetworkError, Problem};
use evergate_cluster::swarm::{DEFAULT_HOST, Engine, Swarm};

use crate::api_client::Target;
use crate::failure::{BadFile, Usage};

const ABOUT: &str = "Run an installation on a Docker Swarm

The nodes and the instances on them stand in network.yml. All commands are run on a manager of the swarm, `join` on
the machine that joins, `check` on any. Of nodes and secrets, only labels that begin with `evergate.STACK.` are
touched.";

const EXAMPLES: &str = "Examples:
  evergate cluster init --node node-a
  evergate cluster join-token
  evergate cluster accept node-b=7j3b0rq2mkxw
  evergate cluster check
  evergate cluster plan
  evergate cluster deploy";

/// The arguments of `evergate cluster`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct ClusterArguments {
    #[command(subcommand)]
    command: ClusterCommand,
    #[command(flatten)]
    common: Common,
}

/// What all of them need.
#[derive(Debug, Clone, Args)]
struct Common {
    /// The file with the nodes and the instances on them
    #[arg(long, global = true, value_name = "FILE", default_value = "network.yml")]
    network: PathBuf,
    /// Refuse what would not survive the loss of a machine, instead of warning of it
    #[arg(long, global = true)]
    strict: bool,
    /// The engine of this machine
    #[arg(long, global = true, value_name = "SOCKET", env = "DOCKER_HOST", hide_env_values = true, default_value = DEFAULT_HOST)]
    docker: String,
    /// Seconds that a service may take to become ready, or to end
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 120)]
    patience: u64,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Make a swarm, accept this machine as its first node, and make the installation or bring it along
    Init(swarm::InitArguments),
    /// Print what another machine joins the swarm with, or make the token of a machine without Docker
    JoinToken(join_token::JoinTokenArguments),
    /// Let this machine join a swarm
    Join(join::JoinArguments),
    /// Bind the name of a node in network.yml to a machine of the swarm
    Accept(node::AcceptArguments),
    /// Make the images of the programs on this machine, and load them into its engine
    Image(images::ImageArguments),
    /// Say what would stop this machine, or the swarm, from working; changes nothing
    Check(check::CheckArguments),
    /// Show what a deployment would do
    #[command(after_help = "Example:\n  evergate cluster plan --network network.yml")]
    Plan,
    /// Bring the swarm to what network.yml says, one service at a time
    Deploy(deploy::DeployArguments),
    /// Drain a machine, and take it out of the swarm
    Leave(node::LeaveArguments),
    /// Remove the stack from the swarm; its data stay
    Rm(remove::RmArguments),
}

pub(super) async fn cluster(arguments: &ClusterArguments) -> anyhow::Result<()> {
    let common = &arguments.common;
    match &arguments.command {
        ClusterCommand::Init(of) => {
            let mut common = common.clone();
            common.target.data = of.from.clone().unwrap_or(common.target.data);
            swarm::init(of, &common).await
        }
        ClusterCommand::JoinToken(of) => join_token::join_token(of, common).await,
        ClusterCommand::Join(of) => join::join(of, common).await,
        ClusterCommand::Accept(of) => node::accept(of, common).await,
        ClusterCommand::Image(of) => images::image(of, common).await,
        ClusterCommand::Check(of) => check::check(of, common).await,
        ClusterCommand::Plan => deploy::plan(common).await,
        ClusterCommand::Deploy(of) => deploy::deploy(of, common).await,
        ClusterCommand::Leave(of) => node::leave(of, common).await,
        ClusterCommand::Rm(of) => remove::rm(of, common).await,
    }
}

impl Common {
    /// The network file, checked.
    fn network(&self) -> anyhow::Result<Network> {
        let refused = |problems: Vec<Problem>| {
            NetworkError::Problems { path: self.network.clone(), problems }.to_string()
        };
        let network = Network::read(&self.network).map_err(|error| match error {
            error @ NetworkError::Problems { .. } => BadFile(error.to_string()).into(),
            error => anyhow::Error::from(error),
        })?;
        match self.strict {
            true => network.strict().map_err(|problems| BadFile(refused(problems)).into()),
            false => Ok(network),
        }
    }

    /// The same, for commands that bring about what it says: its warnings are told.
    fn network_told(&self) -> anyhow::Result<Network> {
        let network = self.network()?;
        for warning in network.warnings() {
            tell(&format!("warning: {warning}"));
        }
        Ok(network)
    }

    async fn engine(&self) -> anyhow::Result<Engine> {
        Ok(Engine::open(&self.docker).await?)
    }

    /// The swarm of the network's stack.
    async fn swarm(&self, network: &Network) -> anyhow::Result<Swarm> {
        let patience = Duration::from_secs(self.patience);
        Ok(self.engine().await?.manager(network.stack(), patience).await?)
    }
}

/// Tells on standard error what is done.
fn tell(text: &str) {
    // Nobody to tell is no reason to stop.
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Asks before something is lost.
fn consent(is_given: bool, question: &str) -> anyhow::Result<()> {
    if is_given {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(Usage(format!("{question}: nobody can be asked here; say --yes")).into());
    }
    let answer = ask(&format!("{question}? [y/N] "))?;
    anyhow::ensure!(matches!(answer.as_str(), "y" | "yes"), "nothing was done");
    Ok(())
}

fn ask(question: &str) -> anyhow::Result<String> {
    let mut out = stderr().lock();
    write!(out, "{question}").and_then(|()| out.flush()).context("cannot ask")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim().to_owned())
}
