//! `evergate cluster check`: what would stop this machine, or the swarm, from working; it changes nothing.

mod database;
mod here;
mod there;

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::Args;
use evergate_cluster::checks::doors::{self, Known};
use evergate_cluster::checks::membership::Membership;
use evergate_cluster::checks::quorum::Quorum;
use evergate_cluster::checks::{Line, Outcome, clock, file, machine, ports, probe};
use evergate_cluster::network::{Network, Zone};
use evergate_cluster::plan::State;
use evergate_cluster::render::{Rendered, render};
use evergate_model::{Host, Name, Service};
use serde_json::{Value, json};

use super::swarm::unknown;
use super::{Common, inputs};
use crate::failure::Usage;

const ABOUT: &str = "Say what would stop this machine, or the swarm, from working

Run it on any machine of the installation, with the same network.yml, before it joins and after. Each line is ok, warn
or fail, with what was seen and what to do. Nothing is changed: not here, not on the engine, not on other machines.
It ends with code 1 if a line is fail; with --strict, also if one is warn.

Of other machines it sees what their ports answer. A refusal shows that the way is open and nobody listens yet; a
firewall that refuses instead of dropping looks the same. An unanswered datagram shows nothing by itself.";

const EXAMPLES: &str = "Examples:
  evergate cluster check
  evergate cluster check --peer node-a
  evergate cluster check --peer 10.0.0.11 --peer 10.0.0.12 --strict --json";

/// The arguments of `evergate cluster check`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub(super) struct CheckArguments {
    /// Another machine to ask, a node of network.yml or an address; without it, all other nodes
    #[arg(long, value_name = "NODE|ADDRESS")]
    peer: Vec<String>,
    /// The node of network.yml that this machine is, where its own addresses do not tell
    #[arg(long, value_name = "NODE")]
    node: Option<Name>,
}

/// What is known before anybody else is asked.
struct Here<'a> {
    network: &'a Network,
    common: &'a Common,
    /// The services of the swarm, by name; none without one.
    services: BTreeMap<String, Rendered>,
    /// The node that this machine is.
    own: Option<Name>,
    /// What the engine says, if one is needed and answers.
    found: Option<probe::Found>,
}

pub(super) async fn check(arguments: &CheckArguments, common: &Common) -> anyhow::Result<()> {
    for peer in &arguments.peer {
        if peer.parse::<IpAddr>().is_err() && peer.parse::<Host>().is_err() {
            let text = format!("`{peer}` is neither a node of network.yml nor an address (without a port)");
            return Err(Usage(text).into());
        }
    }
    let (own, lines) = all(arguments, common).await?;
    common.target.show(&as_json(own.as_ref(), &lines), |_| for_people(&lines))?;
    let count = |outcome| lines.iter().filter(|line| line.outcome() == outcome).count();
    match (count(Outcome::Fail), count(Outcome::Warn)) {
        (0, 0) => Ok(()),
        (0, warned) if common.strict => anyhow::bail!("{warned} of {} checks warn", lines.len()),
        (0, _) => Ok(()),
        (failed, _) => anyhow::bail!("{failed} of {} checks failed", lines.len()),
    }
}

/// The node that this machine is, and what is to be said.
async fn all(arguments: &CheckArguments, common: &Common) -> anyhow::Result<(Option<Name>, Vec<Line>)> {
    let read = Network::read(&common.network);
    let mut lines = file::lines(&read);
    let asked = probe::engine(&common.docker).await;
    let Ok(network) = read else {
        lines.extend(here::engine(&asked));
        lines.extend(here::disk(asked.as_ref().ok(), common));
        return Ok((None, lines));
    };
    if let Some(node) = arguments.node.as_ref().filter(|node| !network.nodes().contains_key(*node)) {
        return Err(unknown(&network, node));
    }
    let accepted = asked.as_ref().ok().and_then(|found| here::accepted(found, network.stack()));
    let (own, line) =
        machine::place(&network, &here::machine(&network, arguments, accepted.as_deref()).await);
    lines.push(line);
    let mut here = Here {
        services: render(&network, &inputs::inputs(&network, &State::default(), &BTreeMap::new()))
            .map(|file| file.services)
            .unwrap_or_default(),
        network: &network,
        common,
        own,
        found: None,
    };
    if here.needs_engine() {
        lines.extend(here::engine(&asked));
        here.found = asked.ok();
        lines.extend(here.of_engine(accepted).await);
    } else {
        lines.push(Line::ok("engine", "not needed: this node runs its instances without Docker"));
    }
    lines.extend(here::disk(here.found.as_ref(), common));
    if let Some(own) = &here.own {
        let wanted = ports::wanted(&network, &here.services, own);
        lines.extend(ports::lines(&wanted, &here.taken(), network.stack().as_str()));
    }
    let (of_database, database_clock) = database::lines(&here).await;
    lines.extend(of_database);
    let (known, trouble) = here.known().await;
    lines.extend(trouble);
    let peers = doors::peers(&network, here.own.as_ref(), &arguments.peer);
    let (of_peers, clocks) = there::lines(&here, &peers, &known).await;
    let clocks: Vec<_> = database_clock.into_iter().chain(clocks).collect();
    lines.extend(clock::lines(&clocks, peers.is_empty()));
    lines.extend(of_peers);
    Ok((here.own, lines))
}

impl Here<'_> {
    /// Whether this machine's instances, or it as a manager, need Docker.
    fn needs_engine(&self) -> bool {
        let nodes = self.network.nodes();
        let own = self.own.as_ref().and_then(|own| nodes.get(own));
        own.map_or_else(|| nodes.values().any(|node| node.swarm.is_some()), |node| node.swarm.is_some())
    }

    fn is_in_dmz(&self) -> bool {
        let own = self.own.as_ref().and_then(|own| self.network.nodes().get(own));
        own.is_some_and(|node| node.zone == Zone::Dmz)
    }

    /// Whether an instance of this machine has the database open.
    fn uses_database(&self) -> bool {
        let Some(own) = &self.own else { return true };
        let instances = self.network.instances().iter();
        instances
            .filter(|planned| planned.node == *own)
            .any(|planned| planned.service != Service::AccessPoint)
    }

    /// What is there already, by the swarm; and what is wrong with the stack.
    async fn known(&self) -> (Known, Vec<Line>) {
        let mut known = Known::default();
        let Some(found) = &self.found else { return (known, Vec::new()) };
        let Membership::Member(member) = &found.membership else { return (known, Vec::new()) };
        known.managers = member.manager_hosts().map(str::to_owned).collect();
        known.members = here::members(found, self.network.stack());
        // Without a leader nothing is told of services.
        if !matches!(found.quorum, Some(Quorum::Held { .. })) {
            return (known, Vec::new());
        }
        let state = async { anyhow::Ok(self.common.swarm(self.network).await?.state().await?) };
        match state.await {
            Ok(state) => {
                let ready = state.services.into_iter().filter(|(_, service)| service.is_ready);
                known.running = ready.map(|(name, _)| name).collect();
                (known, Vec::new())
            }
            Err(error) => (known, vec![Line::refused("stack", &format!("{error:#}"), "docker service ls")]),
        }
    }
}

fn as_json(own: Option<&Name>, lines: &[Line]) -> Value {
    let line = |line: &Line| {
        json!({
            "check": line.check(), "node": own, "peer": line.peer(), "outcome": line.outcome().as_str(),
            "seen": line.seen(), "fix": line.fix(),
        })
    };
    lines.iter().map(line).collect()
}

fn for_people(lines: &[Line]) -> String {
    let count = |outcome| lines.iter().filter(|line| line.outcome() == outcome).count();
    let (ok, warned, failed) = (count(Outcome::Ok), count(Outcome::Warn), count(Outcome::Fail));
    let texts: Vec<String> = lines.iter().map(ToString::to_string).collect();
    format!("{}\n{ok} ok, {warned} warn, {failed} fail", texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_with_their_fixes_and_counted() {
        let lines = [
            Line::ok("disk", "12.0 GiB free"),
            Line::warn("clock", "at least 2.0 s ahead", "timedatectl set-ntp true"),
            Line::fail("2377/tcp", "no answer", "let it through").of("node-a"),
        ];
        assert_eq!(
            for_people(&lines),
            "ok    disk: 12.0 GiB free\nwarn  clock: at least 2.0 s ahead\n      fix: timedatectl set-ntp true\n\
             fail  2377/tcp node-a: no answer\n      fix: let it through\n1 ok, 1 warn, 1 fail"
        );
        let own = "node-b".parse().unwrap();
        let told = as_json(Some(&own), &lines);
        let last = json!({ "check": "2377/tcp", "node": "node-b", "peer": "node-a", "outcome": "fail",
            "seen": "no answer", "fix": "let it through" });
        assert_eq!(told[2], last);
        assert_eq!(told[0]["fix"], Value::Null);
    }
}
