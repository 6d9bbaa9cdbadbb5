//! `evergate cluster init`: a swarm.

use anyhow::Context;
use clap::Args;
use evergate_cluster::network::Network;
use evergate_cluster::swarm::Membership;
use evergate_model::Name;
use serde_json::json;

use super::{Common, tell};
use crate::failure::{Usage, hinted};

/// The arguments of `evergate cluster init`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evergate cluster init --node node-a")]
pub(super) struct InitArguments {
    /// The node of network.yml that this machine is
    #[arg(long, value_name = "NAME")]
    node: Name,
}

pub(super) async fn init(arguments: &InitArguments, common: &Common) -> anyhow::Result<()> {
    let network = common.network()?;
    let node = network.nodes().get(&arguments.node);
    let node = node.ok_or_else(|| unknown(&network, &arguments.node))?;
    let engine = common.engine().await?;
    let is_made = match engine.membership().await? {
        Membership::None => {
            engine
                .make_swarm(&node.address)
                .await
                .with_context(|| format!("cannot make a swarm at `{}`", node.address))?;
            tell(&format!("made a swarm, its manager is reached at {}", node.address));
            true
        }
        Membership::Member { is_manager: true, .. } => false,
        Membership::Member { managers, .. } => {
            let text = format!("this engine is a worker of the swarm of {}", managers.join(", "));
            return Err(hinted(
                text,
                "run this on its manager, or leave that swarm first: docker swarm leave",
            ));
        }
    };
    let id = match engine.membership().await? {
        Membership::Member { id, .. } => id,
        Membership::None => anyhow::bail!("the engine left the swarm that it had made"),
    };
    let swarm = common.swarm(&network).await?;
    let is_accepted = swarm.accept(&arguments.node, &id).await?;
    let told = json!({ "made": is_made, "accepted": is_accepted, "node": arguments.node, "id": id });
    let text = match (is_made, is_accepted) {
        (_, true) => format!("accepted this machine, Docker node {id}, as node `{}`", arguments.node),
        _ => format!("nothing to change: this machine manages a swarm, and is node `{}`", arguments.node),
    };
    common.target.done(&told, &text)
}

/// A name that network.yml does not have.
pub(super) fn unknown(network: &Network, node: &Name) -> anyhow::Error {
    let known: Vec<&str> = network.nodes().keys().map(Name::as_str).collect();
    Usage(format!("network.yml has no node `{node}`; its nodes are: {}", known.join(", "))).into()
}
