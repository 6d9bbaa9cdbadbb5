//! `evergate cluster init`: a swarm, this machine as its first node, and an installation that can grow on it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::deployed::Deployed;
use evergate_cluster::network::{Database, Network};
use evergate_cluster::render::DATABASE;
use evergate_cluster::swarm::{Engine, Membership, Swarm};
use evergate_model::{Host, Name, Service};
use serde_json::{Value, json};

use super::deploy::{discard, finish, steps};
use super::founding::{NewDatabase, Urls};
use super::inputs::Source;
use super::rollout::{Rollout, accepted};
use super::{Common, founding, images, managed, tell};
use crate::failure::{Usage, hinted};
use crate::up::directory::Directory;
use crate::up::network;

const ABOUT: &str = "Make a swarm on this engine if it is in none, accept this machine as a node, load the images, and make the
installation

With --from, the installation that ran here under `evergate up` goes on: it is stopped, its database moves to the
PostgreSQL of network.yml, and what runs on the nodes that are accepted so far is started in the swarm. CA, keys,
users, sessions and versions stay. How long nothing answered is printed. What network.yml puts on other nodes is
started by `deploy`, when they have joined and are accepted.";

const EXAMPLES: &str = "Examples:
  evergate cluster init --node node-a --from evergate-data
  evergate cluster init --node node-a --domain example.com";

/// The arguments of `evergate cluster init`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub(super) struct InitArguments {
    /// The node of network.yml that this machine is
    #[arg(long, value_name = "NAME")]
    node: Name,
    /// The directory of the installation that ran on this machine, which goes on in the swarm
    #[arg(long, value_name = "DIR")]
    pub(super) from: Option<PathBuf>,
    /// The domain below which portal and console of a new installation are named
    #[arg(long, value_name = "DOMAIN", default_value = "localhost", conflicts_with = "from")]
    domain: Host,
    /// A directory with the password of a managed database (database-password); without, one is made
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

impl InitArguments {
    /// Opens the database that the installation is to have, and starts it before, where it is a managed one.
    async fn database(
        &self,
        common: &Common,
        network: &Network,
        swarm: &Swarm,
    ) -> anyhow::Result<NewDatabase> {
        let data = &common.target.data;
        let urls = match network.database() {
            Database::Managed(node) => {
                managed::is_here(node, &self.node)?;
                managed::start(network, swarm, data, self.secrets.as_deref()).await?
            }
            _ => Urls { told: network::database(network, data)?, from_here: None },
        };
        NewDatabase::open(urls).await
    }
}

pub(super) async fn init(arguments: &InitArguments, common: &Common) -> anyhow::Result<()> {
    let network = common.network_told()?;
    if let Some(from) = arguments.from.as_ref().filter(|from| !from.is_dir()) {
        return Err(hinted(
            format!("there is no installation in `{}`", from.display()),
            "name the directory that `evergate up` has as --data",
        ));
    }
    let node = network.nodes().get(&arguments.node);
    let address = &node.ok_or_else(|| unknown(&network, &arguments.node))?.address;
    let engine = common.engine().await?;
    let (is_made, id) = member(&engine, address).await?;
    let loaded = match images::made_here(&network) {
        Some(reference) => images::load(&engine, &reference).await?,
        None => Vec::new(),
    };
    let swarm = common.swarm(&network).await?;
    let is_accepted = swarm.accept(&arguments.node, &id).await?;
    if is_accepted {
        tell(&format!("accepted this machine, Docker node {id}, as node `{}`", arguments.node));
    }
    let mut told = json!({
        "made": is_made, "accepted": is_accepted, "node": arguments.node, "id": id, "loaded": loaded,
    });
    let mut done = json!({});
    if arguments.from.is_some() {
        done = go_on(arguments, common, &network, &swarm).await?;
    } else if Deployed::read(&common.target.data)?.is_none() {
        done = begin(arguments, common, &network, &swarm).await?;
    }
    let is_nothing_new = !is_made && !is_accepted && loaded.is_empty() && done.get("founded").is_none();
    let text = match done.get("text").and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None if is_nothing_new => {
            format!("nothing to change: this machine manages a swarm, and is node `{}`", arguments.node)
        }
        None => format!("this machine manages a swarm, and is node `{}`", arguments.node),
    };
    if let (Some(told), Value::Object(done)) = (told.as_object_mut(), done) {
        told.extend(done.into_iter().filter(|(key, _)| key != "text"));
    }
    common.target.done(&told, &text)
}

/// Whether the swarm was made just now, and this machine's id in it.
async fn member(engine: &Engine, address: &str) -> anyhow::Result<(bool, String)> {
    match engine.membership().await? {
        Membership::Member { is_manager: true, id, .. } => return Ok((false, id)),
        Membership::Member { managers, .. } => {
            let text = format!("this engine is a worker of the swarm of {}", managers.join(", "));
            return Err(hinted(
                text,
                "run this on its manager, or leave that swarm first: docker swarm leave",
            ));
        }
        Membership::None => {}
    }
    let made = engine.make_swarm(address).await;
    made.with_context(|| format!("cannot make a swarm at `{address}`"))?;
    tell(&format!("made a swarm, its manager is reached at {address}"));
    match engine.membership().await? {
        Membership::Member { id, .. } => Ok((true, id)),
        Membership::None => anyhow::bail!("the engine left the swarm that it had made"),
    }
}

/// A new installation: what `deploy` needs for its first time.
async fn begin(
    arguments: &InitArguments,
    common: &Common,
    network: &Network,
    swarm: &Swarm,
) -> anyhow::Result<Value> {
    let data = &common.target.data;
    if founding::is_on_one_machine(data) {
        let text = format!("there is an installation in `{}` already", data.display());
        return Err(hinted(
            text,
            format!("bring it along with --from {}, or choose another --data", data.display()),
        ));
    }
    makes_room(swarm).await?;
    let directory = Directory::take(data)?;
    let database = arguments.database(common, network, swarm).await?;
    database.store.close().await;
    let made = founding::set_up(network, &directory, database.urls, &arguments.domain).await?;
    let text = format!(
        "made the installation; its administrator is `{}`, the password is in {}\nNext: evergate cluster join-token, or, where no other machine joins, evergate cluster deploy",
        made.administrator,
        made.password_file.display()
    );
    Ok(json!({ "founded": made.first_start, "text": text }))
}

/// The installation that ran here goes on in the swarm.
async fn go_on(
    arguments: &InitArguments,
    common: &Common,
    network: &Network,
    swarm: &Swarm,
) -> anyhow::Result<Value> {
    let data = &common.target.data;
    let nodes = accepted(swarm).await?;
    are_enough(network, &nodes)?;
    let mut moved = None;
    let mut since = None;
    if Deployed::read(data)?.is_none() {
        makes_room(swarm).await?;
        let database = arguments.database(common, network, swarm).await?;
        let stopped = founding::stop(data).await?;
        since = stopped.since;
        moved = founding::move_database(data, &database.urls.told, &database.store).await?;
        database.store.close().await;
        tell(&format!("moved {} rows to PostgreSQL", moved.unwrap_or_default()));
        let made = founding::set_up(network, &stopped.directory, database.urls, &arguments.domain).await?;
        founding::unreachable(&made).iter().for_each(|line| tell(line));
    }
    let rollout = Rollout::on(network, swarm, &nodes).await?;
    if !rollout.is_running() {
        let source = Source::Founding(data);
        let contents = rollout.contents(network, arguments.secrets.as_deref(), &source).await?;
        rollout.take_together(swarm, &contents).await?;
        discard(common, &rollout)?;
    }
    finish(common, network, swarm, &rollout).await?;
    let pause = since.map(|since| since.elapsed().as_millis());
    let mut text = "the installation runs in the swarm".to_owned();
    if let Some(pause) = pause {
        text.push_str(&format!(
            "; from its stop until everything was ready again: {}.{} s",
            pause / 1000,
            pause % 1000 / 100
        ));
    }
    let others: Vec<&str> = waiting(network, &nodes);
    if !others.is_empty() {
        text.push_str(&format!(
            "\nNext: evergate cluster join-token, then join and accept {}, then evergate cluster deploy",
            others.join(", ")
        ));
    }
    Ok(
        json!({ "founded": true, "rows": moved, "pause_ms": pause, "deployed": steps(&rollout.plan), "text": text }),
    )
}

/// Those nodes of the swarm that no machine is accepted as yet.
fn waiting<'a>(network: &'a Network, accepted: &BTreeSet<Name>) -> Vec<&'a str> {
    let nodes =
        network.nodes().iter().filter(|(name, node)| node.swarm.is_some() && !accepted.contains(*name));
    nodes.map(|(name, _)| name.as_str()).collect()
}

/// Nothing of the stack runs that would belong to another installation, and no secret of one is used by mistake; before
/// anything is stopped.
async fn makes_room(swarm: &Swarm) -> anyhow::Result<()> {
    let running = swarm.state().await?.services.into_keys();
    let running: Vec<String> = running.filter(|name| name != DATABASE).collect();
    if !running.is_empty() {
        return Err(hinted(
            format!("the swarm runs {} of this stack already, for another installation", running.join(", ")),
            "if they are not needed: evergate cluster rm --volumes, and what that prints; else another `stack` in network.yml",
        ));
    }
    for secret in swarm.remove_bootstraps().await? {
        tell(&format!("removed the secret `{secret}`, which was another installation's"));
    }
    Ok(())
}

/// Something of everything must run on the nodes that are there: before the old installation is stopped.
fn are_enough(network: &Network, accepted: &BTreeSet<Name>) -> anyhow::Result<()> {
    for service in Service::ALL {
        let of = || network.instances().iter().filter(|planned| planned.service == service);
        if !of().any(|planned| accepted.contains(&planned.node)) {
            let nodes: BTreeSet<&str> = of().map(|planned| planned.node.as_str()).collect();
            let nodes: Vec<&str> = nodes.into_iter().collect();
            return Err(hinted(
                format!("{service} runs on {} only, which no machine is accepted as yet", nodes.join(", ")),
                "let it join and accept it first (evergate cluster join-token), then say this again; the \
                 installation on one machine runs on meanwhile",
            ));
        }
    }
    Ok(())
}

/// A name that network.yml does not have.
pub(super) fn unknown(network: &Network, node: &Name) -> anyhow::Error {
    let known: Vec<&str> = network.nodes().keys().map(Name::as_str).collect();
    Usage(format!("network.yml has no node `{node}`; its nodes are: {}", known.join(", "))).into()
}
