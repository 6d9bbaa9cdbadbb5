//! In which swarm this engine is, and whether as `network.yml` says.

use evergate_model::Name;

use super::Line;
use crate::network::{Network, SwarmRole};

const CHECK: &str = "swarm";

/// An engine's part in a swarm, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// None.
    None,
    /// It has not got in, or waits for the key that unlocks it.
    Stuck {
        /// In which state.
        state: String,
        /// What it says.
        why: String,
    },
    /// One.
    Member(Member),
}

/// An engine in a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its id there.
    pub id: String,
    /// Its address there.
    pub address: String,
    /// Whether it manages it.
    pub is_manager: bool,
    /// Where the managers are, `host:port`.
    pub managers: Vec<String>,
    /// The node that it was accepted as: only managers know.
    pub accepted: Option<String>,
}

impl Member {
    /// The addresses of the managers.
    pub fn manager_hosts(&self) -> impl Iterator<Item = &str> {
        self.managers.iter().map(|manager| host(manager))
    }
}

/// What is to be said of it; `own` is the node that this machine is.
#[must_use]
pub fn lines(membership: &Membership, network: &Network, own: Option<&Name>) -> Vec<Line> {
    match membership {
        Membership::None => vec![Line::ok(CHECK, "this engine is in no swarm yet")],
        Membership::Stuck { state, why } if state == "locked" => {
            let seen = format!("the swarm is locked: {why}");
            vec![Line::fail(CHECK, seen.trim_end_matches([':', ' ']), "docker swarm unlock")]
        }
        Membership::Stuck { state, why } => {
            let seen = format!("this engine is in a swarm and not taken in ({state}): {why}");
            let fix = "docker swarm leave --force, and join again with a new token";
            vec![Line::fail(CHECK, seen.trim_end_matches([':', ' ']), fix)]
        }
        Membership::Member(member) => {
            let mut lines = vec![whose(member, network)];
            if let Some(own) = own {
                lines.extend(part(member, network, own));
                lines.extend(address(member, network, own));
                lines.extend(acceptance(member, own));
            }
            lines
        }
    }
}

/// Whether a manager of that swarm is one of network.yml.
fn whose(member: &Member, network: &Network) -> Line {
    let hosts: Vec<&str> = member.manager_hosts().collect();
    let nodes = network.nodes().values();
    let mut managers = nodes.filter(|node| node.swarm == Some(SwarmRole::Manager));
    let is_ours = managers.any(|node| hosts.contains(&node.address.as_str()));
    let part = if member.is_manager { "a manager" } else { "a worker" };
    let seen = format!("{part} of the swarm of {}, with the id {}", member.managers.join(", "), member.id);
    if is_ours {
        return Line::ok(CHECK, seen);
    }
    let seen = format!("{seen}: no manager of network.yml is among them by its address");
    Line::warn(CHECK, seen, "write the managers' IP addresses into network.yml, or: docker swarm leave")
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

fn part(member: &Member, network: &Network, own: &Name) -> Option<Line> {
    let id = &member.id;
    let on_manager = "on another manager";
    match (network.nodes().get(own)?.swarm, member.is_manager) {
        (Some(SwarmRole::Manager), true) | (Some(SwarmRole::Worker), false) => None,
        (Some(SwarmRole::Manager), false) => {
            let seen = format!("network.yml says that `{own}` is a manager, and it is a worker");
            Some(Line::warn(CHECK, seen, format!("on a manager: docker node promote {id}")))
        }
        (Some(SwarmRole::Worker), true) => {
            let seen = format!("network.yml says that `{own}` is a worker, and it is a manager");
            Some(Line::warn(CHECK, seen, format!("{on_manager}: docker node demote {id}")))
        }
        (None, _) => {
            let seen =
                format!("network.yml says that `{own}` is outside the swarm, and its engine is in one");
            Some(Line::warn(CHECK, seen, "docker swarm leave, or write `swarm: worker` at the node"))
        }
    }
}

fn address(member: &Member, network: &Network, own: &Name) -> Option<Line> {
    let written = &network.nodes().get(own)?.address;
    let is_ip = written.parse::<std::net::IpAddr>().is_ok();
    if !is_ip || *written == member.address {
        return None;
    }
    let seen = format!("the swarm knows this machine at {}, and network.yml says {written}", member.address);
    let fix = format!("join anew with --address {written}, or write {} into network.yml", member.address);
    Some(Line::warn(CHECK, seen, fix))
}

fn acceptance(member: &Member, own: &Name) -> Option<Line> {
    if !member.is_manager {
        return None;
    }
    let id = &member.id;
    match &member.accepted {
        Some(name) if name == own.as_str() => None,
        Some(name) => {
            let seen = format!("the swarm knows this machine as node `{name}`, which is not `{own}`");
            let fix = format!("evergate cluster leave {name}, if the machine is another one now");
            Some(Line::fail(CHECK, seen, fix))
        }
        None => {
            let seen = format!("nobody accepted this machine as node `{own}`");
            Some(Line::warn(CHECK, seen, format!("evergate cluster accept {own} --id {id}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::doors::tests::WELL;
    use super::super::tests::shown;
    use super::*;

    fn told(membership: &Membership, own: Option<&str>) -> String {
        let network = Network::parse(WELL).unwrap();
        let own = own.map(|name| name.parse().unwrap());
        shown(&lines(membership, &network, own.as_ref()))
    }

    fn member(address: &str, is_manager: bool, accepted: Option<&str>) -> Member {
        Member {
            id: "7j3b0rq2".to_owned(),
            address: address.to_owned(),
            is_manager,
            managers: vec!["10.0.0.11:2377".to_owned(), "[fd00::1]:2377".to_owned()],
            accepted: accepted.map(str::to_owned),
        }
    }

    #[test]
    fn a_part_that_is_not_the_one_of_network_yml_is_told() {
        let in_one = |member: Member| Membership::Member(member);
        let stuck =
            |state: &str, why: &str| Membership::Stuck { state: state.to_owned(), why: why.to_owned() };
        let foreign =
            Member { managers: vec!["192.168.9.9:2377".to_owned()], ..member("10.0.0.14", false, None) };
        let all = [
            told(&Membership::None, Some("node-a")),
            told(&in_one(member("10.0.0.11", true, Some("node-a"))), Some("node-a")),
            told(&in_one(member("10.0.0.14", false, None)), Some("node-d")),
            told(&in_one(member("10.0.0.11", true, None)), Some("node-a")),
            told(&in_one(member("10.0.0.11", true, Some("node-x"))), Some("node-a")),
            told(&in_one(member("10.0.0.99", false, None)), Some("node-b")),
            told(&in_one(member("10.0.0.14", true, Some("node-d"))), Some("node-d")),
            told(&in_one(member("203.0.113.10", false, None)), Some("edge-1")),
            told(&in_one(foreign), Some("node-d")),
            told(&stuck("locked", ""), None),
            told(&stuck("error", "remote CA does not match fingerprint"), None),
            told(&stuck("pending", ""), None),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
