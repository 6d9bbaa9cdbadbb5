//! Which node of `network.yml` this machine is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use evergate_model::Name;

use super::Line;
use crate::network::{Network, SwarmRole, Zone};

const CHECK: &str = "machine";

/// What is known of this machine.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The addresses of its interfaces.
    pub own: Vec<IpAddr>,
    /// Where the addresses of the nodes lead.
    pub resolved: BTreeMap<Name, Vec<IpAddr>>,
    /// The node that its id in the swarm was accepted as: only managers know.
    pub accepted: Option<Name>,
    /// The node that whoever asks says it is.
    pub named: Option<Name>,
}

/// Which node this machine is, and how that is known.
#[must_use]
pub fn place(network: &Network, machine: &Machine) -> (Option<Name>, Line) {
    let has = |name: &Name| network.nodes().contains_key(name);
    let here: Vec<&Name> = network.nodes().keys().filter(|name| is_here(machine, name)).collect();
    match (&machine.named, machine.accepted.as_ref().filter(|name| has(name)), here.as_slice()) {
        (Some(named), Some(accepted), _) if named != accepted => {
            let seen = format!("the swarm accepted this machine as node `{accepted}`, not as `{named}`");
            (Some(accepted.clone()), Line::fail(CHECK, seen, "leave out --node, or run this on that machine"))
        }
        (Some(name), ..) => (Some(name.clone()), known(network, machine, name, "by --node")),
        (None, Some(name), _) => {
            (Some(name.clone()), known(network, machine, name, "by its id in the swarm"))
        }
        (None, None, [name]) => ((*name).clone().into(), known(network, machine, name, "by its address")),
        (None, None, []) => (None, nobody(machine)),
        (None, None, several) => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            let seen = format!("the addresses of nodes {} all lead to this machine", names.join(", "));
            (None, Line::fail(CHECK, seen, "write IP addresses at the nodes, or say --node NAME"))
        }
    }
}

fn is_here(machine: &Machine, name: &Name) -> bool {
    machine.resolved.get(name).is_some_and(|addresses| addresses.iter().any(|ip| machine.own.contains(ip)))
}

fn known(network: &Network, machine: &Machine, name: &Name, how: &str) -> Line {
    let Some(node) = network.nodes().get(name) else {
        let seen = format!("network.yml has no node `{name}`");
        return Line::fail(CHECK, seen, "say --node with a name that stands below `nodes`");
    };
    if !is_here(machine, name) {
        let seen = format!(
            "this machine is node `{name}` ({how}), and `{}` of network.yml is no address of it: {}",
            node.address,
            addresses(machine)
        );
        let fix = format!(
            "write the address that the others reach it by at node `{name}`, in every copy of network.yml"
        );
        // Behind a router that translates addresses, a machine outside the swarm does not know its own.
        return match node.swarm {
            Some(_) => Line::fail(CHECK, seen, fix),
            None => Line::warn(CHECK, seen, fix),
        };
    }
    let part = match (node.swarm, node.zone) {
        (Some(SwarmRole::Manager), _) => "a manager",
        (Some(SwarmRole::Worker), Zone::Internal) => "a worker",
        (Some(SwarmRole::Worker), Zone::Dmz) => "a worker in the dmz",
        (None, Zone::Internal) => "a machine without a swarm",
        (None, Zone::Dmz) => "a machine in the dmz, outside the swarm",
    };
    Line::ok(CHECK, format!("node `{name}` at {} ({how}), {part}", node.address))
}

fn nobody(machine: &Machine) -> Line {
    let seen = format!("no node of network.yml has an address of this machine: {}", addresses(machine));
    Line::fail(CHECK, seen, "write one of them at the node that this machine is, or say --node NAME")
}

/// Those by which others may reach it.
fn addresses(machine: &Machine) -> String {
    let is_for_others = |ip: &&IpAddr| !ip.is_loopback() && !is_link_local(ip);
    let found: Vec<String> = machine.own.iter().filter(is_for_others).map(ToString::to_string).collect();
    if found.is_empty() { "it has none".to_owned() } else { found.join(", ") }
}

const fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::doors::tests::WELL;
    use super::*;

    fn told(own: &[&str], accepted: Option<&str>, named: Option<&str>) -> String {
        let network = Network::parse(WELL).unwrap();
        let name = |text: &str| text.parse::<Name>().unwrap();
        let resolved = network.nodes().iter();
        let resolved = resolved.map(|(name, node)| (name.clone(), vec![node.address.parse().unwrap()]));
        let machine = Machine {
            own: own.iter().map(|ip| ip.parse().unwrap()).collect(),
            resolved: resolved.collect(),
            accepted: accepted.map(name),
            named: named.map(name),
        };
        let (node, line) = place(&network, &machine);
        format!("{line}\n  -> {}\n", node.map_or_else(|| "none".to_owned(), |name| name.to_string()))
    }

    #[test]
    fn a_machine_is_known_by_its_id_by_what_is_said_or_by_its_address() {
        let all = [
            told(&["127.0.0.1", "10.0.0.11"], None, None),
            told(&["10.0.0.14"], Some("node-d"), None),
            told(&["203.0.113.10"], None, Some("edge-1")),
            told(&["127.0.0.1", "192.168.1.7", "fe80::1"], None, None),
            told(&["127.0.0.1"], None, None),
            told(&["10.0.0.11", "10.0.0.12"], None, None),
            told(&["192.168.1.7"], Some("node-a"), None),
            told(&["192.168.1.7"], None, Some("edge-1")),
            told(&["10.0.0.11"], Some("node-a"), Some("node-b")),
            told(&["10.0.0.11"], None, Some("node-x")),
        ];
        insta::assert_snapshot!(all.concat());
    }
}
