//! `evergate cluster accept` and `leave`: which machine is which node of network.yml.

use std::str::FromStr;

use clap::Args;
use evergate_cluster::network::Network;
use evergate_cluster::swarm::SwarmNode;
use evergate_model::Name;
use serde_json::json;

use super::rollout::office;
use super::swarm::unknown;
use super::{Common, consent, tell};
use crate::failure::{Usage, hinted};

const ABOUT: &str = "Bind names of nodes in network.yml to machines of the swarm

A machine is named by the id that `evergate cluster join` reported on it. A host name proves nothing: whoever has the
join token can choose one. Once bound, a name stays with that id; another machine is refused until the first one was
taken out with `evergate cluster leave`.";

const EXAMPLE: &str = "Example:\n  evergate cluster accept node-b=7j3b0rq2mkxw node-c=ltm55nf6ea5u";

const LEAVING: &str = "Drain a machine, and take it out of the swarm

What network.yml puts on it is put elsewhere, or taken out, and deployed, before. Then the internal keys and the join
tokens are replaced, and the machine is expelled. It can be away or dead.";

/// The arguments of `evergate cluster accept`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLE)]
pub(super) struct AcceptArguments {
    /// A node of network.yml, and the machine's id in the swarm, or how it begins; without any, those that can be
    /// accepted are shown
    #[arg(value_name = "NODE=ID")]
    nodes: Vec<Binding>,
}

/// A name and the machine that is to have it.
#[derive(Debug, Clone)]
struct Binding {
    node: Name,
    id: String,
}

impl FromStr for Binding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (node, id) = text.split_once('=').ok_or("it is not of the form NODE=ID")?;
        let node = node.parse().map_err(|error: evergate_model::name::NameError| error.to_string())?;
        match id.is_empty() {
            true => Err("the id is missing".to_owned()),
            false => Ok(Self { node, id: id.to_owned() }),
        }
    }
}

/// The arguments of `evergate cluster leave`.
#[derive(Debug, Args)]
#[command(long_about = LEAVING, after_help = "Examples:\n  evergate cluster leave node-b\n  evergate cluster leave node-b --emergency")]
pub(super) struct LeaveArguments {
    /// The node of network.yml
    node: Name,
    /// Believe the internal keys that the machine held no longer at all: everybody signs in anew
    #[arg(long)]
    emergency: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn accept(arguments: &AcceptArguments, common: &Common) -> anyhow::Result<()> {
    let network = common.network()?;
    let swarm = common.swarm(&network).await?;
    let nodes = swarm.nodes().await?;
    if arguments.nodes.is_empty() {
        let open: Vec<&SwarmNode> = nodes.iter().filter(|node| node.name.is_none()).collect();
        let open: Vec<_> = open
            .iter()
            .map(|node| json!({ "id": node.id, "address": node.address, "host": node.host_name }))
            .collect();
        return common.target.done(&json!({ "open": open }), &candidates(&nodes));
    }
    // All are looked at before one is bound.
    let mut found = Vec::new();
    for Binding { node: name, id } in &arguments.nodes {
        let planned = network.nodes().get(name).ok_or_else(|| unknown(&network, name))?;
        let node = by_id(&nodes, id)?;
        is_no_other(&network, name, node)?;
        found.push((name, planned, node));
    }
    let mut told = Vec::new();
    let mut lines = Vec::new();
    for (name, planned, node) in found {
        let is_new = swarm.accept(name, &node.id).await?;
        if node.address != planned.address {
            let (seen, written) = (&node.address, &planned.address);
            tell(&format!("warning: the swarm sees `{name}` at {seen}, and network.yml says {written}"));
        }
        told.push(json!({ "accepted": is_new, "node": name, "id": node.id, "address": node.address }));
        lines.push(match is_new {
            true => format!("accepted Docker node {} at {} as node `{name}`", node.id, node.address),
            false => format!("nothing to change: Docker node {} is node `{name}`", node.id),
        });
    }
    common.target.done(&json!({ "nodes": told }), &lines.join("\n"))
}

/// A machine at the very address that network.yml gives to another node was mixed up with that one.
fn is_no_other(network: &Network, name: &Name, node: &SwarmNode) -> anyhow::Result<()> {
    let at_it = network.nodes().iter().filter(|(_, planned)| planned.address == node.address);
    let names: Vec<&Name> = at_it.map(|(name, _)| name).collect();
    match names.first() {
        Some(other) if !names.contains(&name) => Err(Usage(format!(
            "Docker node {} is at {}, which is node `{other}` in network.yml, not `{name}`: nothing was accepted",
            node.id, node.address
        ))
        .into()),
        _ => Ok(()),
    }
}

/// The one whose id begins so.
fn by_id<'a>(nodes: &'a [SwarmNode], id: &str) -> anyhow::Result<&'a SwarmNode> {
    let mut found = nodes.iter().filter(|node| !id.is_empty() && node.id.starts_with(id));
    match (found.next(), found.next()) {
        (Some(node), None) => Ok(node),
        (None, _) => {
            Err(Usage(format!("no node of the swarm has the id `{id}`\n{}", candidates(nodes))).into())
        }
        (Some(_), Some(_)) => Err(Usage(format!("several nodes have ids that begin with `{id}`")).into()),
    }
}

/// Those that have no name yet.
fn candidates(nodes: &[SwarmNode]) -> String {
    let line =
        |node: &SwarmNode| format!("  {} at {}, calls itself `{}`", node.id, node.address, node.host_name);
    let lines: Vec<String> = nodes.iter().filter(|node| node.name.is_none()).map(line).collect();
    match lines.is_empty() {
        true => "every machine of the swarm is accepted".to_owned(),
        false => format!("not accepted yet:\n{}", lines.join("\n")),
    }
}

pub(super) async fn leave(arguments: &LeaveArguments, common: &Common) -> anyhow::Result<()> {
    let network = common.network()?;
    let (name, swarm) = (&arguments.node, common.swarm(&network).await?);
    let nodes = swarm.nodes().await?;
    let Some(node) = nodes.iter().find(|node| node.name.as_deref() == Some(name.as_str())) else {
        let told = json!({ "left": false, "node": name });
        return common
            .target
            .done(&told, &format!("nothing to change: no machine is accepted as node `{name}`"));
    };
    let planned = network.instances().iter().filter(|planned| planned.node == *name);
    let planned: Vec<&str> = planned.map(|planned| planned.name.as_str()).collect();
    if !planned.is_empty() {
        let text = format!("network.yml puts {} on node `{name}`", planned.join(", "));
        return Err(hinted(
            text,
            "put them elsewhere or take them out, and deploy, first; that also un-admits what they leave there",
        ));
    }
    let runs = swarm.state().await?.labels.into_iter().filter(|(of, _)| of == name).map(|(_, of)| of);
    let runs: Vec<String> = runs.collect();
    if !runs.is_empty() {
        let text = format!("node `{name}` runs {}", runs.join(", "));
        return Err(hinted(text, "deploy first: evergate cluster deploy"));
    }
    if node.is_manager {
        let text = format!("node `{name}` is a manager of the swarm");
        return Err(hinted(
            text,
            format!("make it a worker first, if enough managers are left: docker node demote {}", node.id),
        ));
    }
    // Before anything is done: without administration the keys would not be replaced.
    let office = office(common, &network)?;
    tell("Whatever else the swarm runs on this machine is stopped there, too.");
    consent(arguments.yes, &format!("take Docker node {} out of the swarm", node.id))?;
    if node.is_ready {
        tell(&format!("draining node `{name}`"));
        swarm.drain(&node.id).await?;
        swarm.until_drained(&node.id).await?;
    }
    // What ran there was un-admitted when it was deployed elsewhere; the keys that it held are replaced now. As long as
    // the machine is in the swarm all of this can be said again.
    office.rotate(arguments.emergency).await?;
    swarm.replace_join_tokens().await?;
    swarm.expel(&node.id).await?;
    let told = json!({
        "left": true, "node": name, "id": node.id, "rotated": true, "emergency": arguments.emergency,
    });
    common.target.done(&told, &farewell(&node.id, arguments.emergency))
}

/// What is left to do, since a machine that is gone still knows what it knew.
fn farewell(id: &str, is_emergency: bool) -> String {
    let keys = match is_emergency {
        true => "the old keys are believed no more",
        false => {
            "all internal keys are being replaced (evergate keys list); the old ones are believed until what they \
             signed has expired, unless you say --emergency"
        }
    };
    format!(
        "took Docker node {id} out of the swarm, which has new join tokens; {keys}\n\
         On that machine: docker swarm leave; its volumes are still there.\n\
         If it may be in other hands: where an inner service ran, it knows the database's password: change it. Where \
         administration ran, it has the wrapping key, which opens what is sealed in the database; and a manager had \
         the bootstrap files of the last 30 days. Make the installation anew then, from a backup of the configuration."
    )
}
