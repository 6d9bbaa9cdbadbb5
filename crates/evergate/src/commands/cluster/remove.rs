//! `evergate cluster rm`: the stack goes, its data stay, unless they are to go as well.

use std::io::{IsTerminal, stdin};

use clap::Args;
use serde_json::json;

use super::{Common, ask, consent, tell};
use crate::failure::Usage;

const ABOUT: &str = "Remove the stack from the swarm; its data stay

Services, networks and the labels of instances go. Volumes, secrets and the names of nodes stay, so that `deploy`
begins where this ended. With --volumes the secrets go as well, and the command that removes the volumes is printed
for each machine: a manager cannot remove what lies on another.";

/// The arguments of `evergate cluster rm`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = "Examples:\n  evergate cluster rm\n  evergate cluster rm --volumes")]
pub(super) struct RmArguments {
    /// Remove the secrets too, and say how the volumes are removed; asks for the stack's name
    #[arg(long)]
    volumes: bool,
    /// The stack's name, for where nobody can be asked
    #[arg(long, value_name = "STACK", requires = "volumes")]
    stack: Option<String>,
    /// Do not ask before services are stopped
    #[arg(long)]
    yes: bool,
}

pub(super) async fn rm(arguments: &RmArguments, common: &Common) -> anyhow::Result<()> {
    let network = common.network()?;
    let stack = network.stack().as_str();
    let swarm = common.swarm(&network).await?;
    let services = swarm.state().await?.services;
    if arguments.volumes {
        is_meant(stack, arguments.stack.as_deref())?;
    } else if !services.is_empty() {
        consent(arguments.yes, &format!("stop the {} services of `{stack}`", services.len()))?;
    }
    if !services.is_empty() {
        tell(&format!("removing {} services", services.len()));
    }
    let removed = swarm.remove_stack().await?;
    let secrets = if arguments.volumes { swarm.remove_secrets().await? } else { Vec::new() };
    let volumes = format!(
        "docker volume ls -q --filter label=com.docker.stack.namespace={stack} | xargs -r docker volume rm"
    );
    let text = match (removed.is_empty() && secrets.is_empty(), arguments.volumes) {
        (true, false) => format!("nothing to change: the swarm runs nothing of `{stack}`"),
        (_, true) => format!(
            "removed {} services and {} secrets; on each machine, when its containers are gone, to remove its volumes:\n  {volumes}",
            removed.len(),
            secrets.len()
        ),
        (false, false) => format!("removed {} services; volumes and secrets are still there", removed.len()),
    };
    common.target.done(&json!({ "services": removed, "secrets": secrets }), &text)
}

fn is_meant(stack: &str, said: Option<&str>) -> anyhow::Result<()> {
    let said = match said {
        Some(said) => said.to_owned(),
        None if !stdin().is_terminal() => {
            return Err(
                Usage("nobody can be asked here; say --stack with the stack's name".to_owned()).into()
            );
        }
        None => ask("Secrets cannot be brought back. The name of the stack: ")?,
    };
    anyhow::ensure!(said == stack, "`{said}` is not the name of the stack: nothing was done");
    Ok(())
}
