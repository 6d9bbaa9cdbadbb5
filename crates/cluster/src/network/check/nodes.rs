//! Whether each node is one machine, and the swarm can be led.

use std::collections::BTreeMap;
use std::net::IpAddr;

use evergate_model::{Host, Name};

use super::super::file::{NetworkFile, NodeEntry, SwarmRole, Zone};
use super::super::similar::nearest;
use super::super::tree::Placed;
use super::super::{Node, Problem};
use super::names;

const MOST_NODES: usize = 100;

/// The nodes whose names are names.
pub(super) fn nodes(file: &NetworkFile, problems: &mut Vec<Problem>) -> BTreeMap<Name, Node> {
    if file.nodes.len() > MOST_NODES {
        let message = format!("{} nodes are more than the {MOST_NODES} that are allowed", file.nodes.len());
        problems.push(Problem::whole(message));
    }
    let mut by_address: BTreeMap<String, &str> = BTreeMap::new();
    let mut nodes = BTreeMap::new();
    for (text, entry) in &file.nodes {
        match address(&entry.address.value) {
            None => problems.push(no_address(&text.value, &entry.address)),
            Some(_) if is_everybodys(&entry.address.value) && file.nodes.len() > 1 => {
                let message = format!(
                    "`{}` is every machine's own address: the others do not reach node `{}` by it",
                    entry.address.value, text.value
                );
                problems.push(Problem::at(entry.address.place, message));
            }
            Some(address) => {
                if let Some(other) = by_address.insert(address, &text.value) {
                    let message = format!(
                        "nodes `{other}` and `{}` have the same address `{}`",
                        text.value, entry.address.value
                    );
                    problems.push(Problem::at(entry.address.place, message));
                }
            }
        }
        if let Some(name) = names::name(text, "node", problems) {
            nodes.insert(name, node(entry));
        }
    }
    nodes
}

fn node(entry: &NodeEntry) -> Node {
    Node {
        address: entry.address.value.clone(),
        swarm: entry.swarm.as_ref().map(|role| role.value),
        zone: entry.zone,
    }
}

fn no_address(node: &str, address: &Placed<String>) -> Problem {
    let message = format!("`{}` is not an address of node `{node}`", address.value);
    Problem::at(address.place, message).hint("write a host name or an IP address, without a port")
}

/// The one form of an address.
fn address(text: &str) -> Option<String> {
    let ip = text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical().to_string());
    ip.or_else(|| text.parse::<Host>().ok().map(|host| host.as_str().to_ascii_lowercase()))
}

fn is_everybodys(text: &str) -> bool {
    let of_all = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    text.parse::<IpAddr>().is_ok_and(|ip| of_all(ip.to_canonical())) || text == "localhost"
}

/// A swarm has a manager, which is no machine that anybody may reach; and who is in it is said of every inner node.
pub(super) fn swarm(file: &NetworkFile, problems: &mut Vec<Problem>) {
    let role = |entry: &NodeEntry| entry.swarm.as_ref().map(|role| role.value);
    let mut roles = file.nodes.iter().filter_map(|(_, entry)| entry.swarm.as_ref());
    let Some(first) = roles.next() else { return };
    if !file.nodes.iter().any(|(_, entry)| role(entry) == Some(SwarmRole::Manager)) {
        let problem = Problem::at(first.place, "the swarm has no manager");
        problems.push(problem.hint("write `swarm: manager` at the node where `evergate cluster` is run"));
    }
    for (name, entry) in &file.nodes {
        match (role(entry), entry.zone) {
            (None, Zone::Internal) => {
                let message = format!("node `{}` is not said to be in the swarm, and others are", name.value);
                let hint = "write `swarm: worker`, or `zone: dmz` if it is outside";
                problems.push(Problem::at(name.place, message).hint(hint));
            }
            (Some(SwarmRole::Manager), Zone::Dmz) => {
                let message = format!(
                    "node `{}` in the dmz cannot be a manager: managers hold all secrets",
                    name.value
                );
                let place = entry.swarm.as_ref().map_or(name.place, |role| role.place);
                problems
                    .push(Problem::at(place, message).hint("leave out `swarm`, or write `swarm: worker`"));
            }
            _ => {}
        }
    }
}

/// Which nodes there are, for somebody who named another.
pub(super) fn known(file: &NetworkFile, named: &str) -> String {
    let known: Vec<&str> = file.nodes.iter().map(|(name, _)| name.value.as_str()).collect();
    match nearest(named, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the nodes are: {}", known.join(", ")),
    }
}
