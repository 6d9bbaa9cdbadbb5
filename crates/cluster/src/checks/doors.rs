//! Which ports of the other machines this one must reach, and what an answer, a refusal or silence means.
//!
//! A refusal came back, so the way is open; only a firewall that refuses instead of dropping looks the same. Silence
//! means over TCP that something drops what is sent. Over UDP it means little: who listens need not answer.

use std::collections::{BTreeMap, BTreeSet};

use evergate_model::Name;

use super::Line;
use crate::network::{Network, Node, SwarmRole, Zone};
use crate::render::{Rendered, openings};

/// The ports that a swarm needs: the managers' API, the gossip between nodes, the overlay networks.
pub(super) const MANAGERS: u16 = 2377;
pub(super) const GOSSIP: u16 = 7946;
const OVERLAY: u16 = 4789;

/// Another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it is called: a node's name, or its address.
    pub label: String,
    /// Its address: a host name or an IP address.
    pub address: String,
    /// The node of network.yml that it is.
    pub node: Option<Name>,
}

/// The way of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A port of another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Which machine.
    pub peer: String,
    /// Its address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Its way.
    pub protocol: Protocol,
    /// What it is for.
    pub purpose: String,
    /// Whether this machine needs it; others it is open to for others.
    pub is_needed: bool,
    /// Whether something is known to be there.
    pub is_expected: bool,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A connection, or a datagram.
    Answer,
    /// That nobody listens.
    Refusal,
    /// Nothing.
    Silence,
    /// That no way leads there.
    Unreachable(String),
    /// This machine itself does not let it out.
    Forbidden,
}

/// What is known to be there already: a manager knows most, a machine that has not joined knows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The nodes that the swarm hears of.
    pub members: BTreeSet<Name>,
    /// The addresses of managers.
    pub managers: BTreeSet<String>,
    /// The instances that run.
    pub running: BTreeSet<String>,
}

/// The other machines, or those that were asked for by a node's name or an address.
#[must_use]
pub fn peers(network: &Network, own: Option<&Name>, asked: &[String]) -> Vec<Peer> {
    let of = |(name, node): (&Name, &Node)| Peer {
        label: name.to_string(),
        address: node.address.clone(),
        node: Some(name.clone()),
    };
    if asked.is_empty() {
        return network.nodes().iter().filter(|(name, _)| Some(*name) != own).map(of).collect();
    }
    let found = |text: &String| {
        let mut nodes = network.nodes().iter();
        let node = nodes.find(|(name, node)| name.as_str() == text || node.address == *text);
        node.map_or_else(|| Peer { label: text.clone(), address: text.clone(), node: None }, of)
    };
    asked.iter().map(found).collect()
}

/// The ports of a peer that are asked from this machine.
#[must_use]
pub fn doors(
    network: &Network,
    services: &BTreeMap<String, Rendered>,
    own: Option<&Name>,
    peer: &Peer,
    known: &Known,
) -> Vec<Door> {
    let node = |name: Option<&Name>| name.and_then(|name| network.nodes().get(name));
    let (here, there) = (node(own), node(peer.node.as_ref()));
    let has_swarm = network.nodes().values().any(|node| node.swarm.is_some());
    let is_inside = |node: Option<&Node>| node.map_or(has_swarm, |node| node.swarm.is_some());
    let mut doors = Vec::new();
    if is_inside(here) && is_inside(there) {
        doors.extend(of_swarm(peer, there, known));
    }
    let mut own_ports = BTreeMap::new();
    let is_outer = here.is_some_and(|node| node.zone == Zone::Dmz);
    match (own, &peer.node) {
        (Some(own), Some(name)) if is_outer => {
            let ours =
                openings(network).into_iter().filter(|opening| opening.from == *own && opening.to == *name);
            own_ports.extend(ours.map(|opening| (opening.port, (opening.instance.to_string(), true))));
        }
        (_, Some(name)) if is_inside(there) => {
            let published = services.iter().filter(|(_, service)| service.node == *name);
            own_ports.extend(published.flat_map(|(service, rendered)| {
                rendered.ports.iter().map(move |port| (*port, (service.clone(), false)))
            }));
        }
        (_, Some(name)) => own_ports.extend(of_plain(network, name)),
        (_, None) => {}
    }
    doors.extend(own_ports.into_iter().map(|(port, (instance, is_needed))| Door {
        is_needed,
        is_expected: known.running.contains(&instance),
        ..door(peer, port, Protocol::Tcp, &instance)
    }));
    doors
}

fn door(peer: &Peer, port: u16, protocol: Protocol, purpose: &str) -> Door {
    Door {
        peer: peer.label.clone(),
        address: peer.address.clone(),
        port,
        protocol,
        purpose: purpose.to_owned(),
        is_needed: true,
        is_expected: false,
    }
}

fn of_swarm(peer: &Peer, there: Option<&Node>, known: &Known) -> Vec<Door> {
    let is_manager = known.managers.contains(&peer.address);
    let is_member = is_manager || peer.node.as_ref().is_some_and(|name| known.members.contains(name));
    let may_manage = there.is_none_or(|node| node.swarm == Some(SwarmRole::Manager));
    let managers =
        Door { is_expected: is_manager, ..door(peer, MANAGERS, Protocol::Tcp, "the swarm's managers") };
    let gossip = Door { is_expected: is_member, ..door(peer, GOSSIP, Protocol::Tcp, "the swarm's gossip") };
    let datagrams = Door { protocol: Protocol::Udp, ..gossip.clone() };
    let overlay = door(peer, OVERLAY, Protocol::Udp, "overlay networks");
    may_manage.then_some(managers).into_iter().chain([gossip, datagrams, overlay]).collect()
}

/// The ports of a machine without containers. Instances of inner machines call each other there.
fn of_plain(network: &Network, name: &Name) -> BTreeMap<u16, (String, bool)> {
    let mut ports = BTreeMap::new();
    for planned in network.instances().iter().filter(|planned| planned.node == *name) {
        let instance = planned.name.to_string();
        let listeners = planned.listen.iter().filter(|listen| listen.all_interfaces);
        let for_others = listeners.map(|listen| listen.port).chain(planned.console_port());
        ports.extend(for_others.map(|port| (port, (instance.clone(), false))));
        ports.extend(planned.port.map(|port| (port, (instance, true))));
    }
    ports
}

/// What is to be said of what came back from the ports of one peer.
#[must_use]
pub fn lines(seen: &[(Door, Seen)]) -> Vec<Line> {
    let is_gossip = |(door, _): &&(Door, Seen)| door.port == GOSSIP && door.protocol == Protocol::Tcp;
    let gossip = seen.iter().find(is_gossip).map(|(_, seen)| seen);
    let line = |(door, seen): &(Door, Seen)| {
        let line = match door.protocol {
            Protocol::Tcp => connection(door, seen),
            Protocol::Udp => datagram(door, seen, gossip == Some(&Seen::Answer)),
        };
        line.of(&door.peer)
    };
    seen.iter().map(line).collect()
}

fn connection(door: &Door, seen: &Seen) -> Line {
    let check = format!("{}/tcp", door.port);
    let what = &door.purpose;
    match seen {
        Seen::Answer => Line::ok(check, format!("answers ({what})")),
        Seen::Refusal if door.is_expected => {
            let fix = match door.port {
                MANAGERS | GOSSIP => "systemctl status docker there; a firewall may refuse in its place",
                _ => "docker ps there; a firewall may refuse in its place",
            };
            Line::fail(check, format!("refused, and {what} should be there"), fix)
        }
        Seen::Refusal => {
            Line::ok(check, format!("refused: the way is open, nothing listens there yet ({what})"))
        }
        Seen::Silence => {
            shut(door, &check, "no answer within 2 s: something on the way drops it, or the machine is off")
        }
        Seen::Unreachable(why) => shut(door, &check, &format!("cannot be reached: {why}")),
        Seen::Forbidden => forbidden(door, check),
    }
}

/// What this machine needs fails; what it does not need is worth a look.
fn shut(door: &Door, check: &str, seen: &str) -> Line {
    let seen = format!("{seen} ({})", door.purpose);
    let fix = let_through(door);
    match door.is_needed {
        true => Line::fail(check, seen, fix),
        false => Line::warn(check, seen, format!("if this machine is to use it: {fix}")),
    }
}

fn forbidden(door: &Door, check: String) -> Line {
    let seen = format!("this machine's own firewall does not let it out ({})", door.purpose);
    let fix = format!("let it out: nft list ruleset shows what stops {} to {}", check, door.address);
    Line::fail(check, seen, fix)
}

fn let_through(door: &Door) -> String {
    let way = match door.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("the firewalls must let this machine reach {} at {}/{way}", door.address, door.port)
}

/// `has_gossip`: whether the peer's engine answers over TCP.
fn datagram(door: &Door, seen: &Seen, has_gossip: bool) -> Line {
    let check = format!("{}/udp", door.port);
    let what = &door.purpose;
    let also = match door.port {
        OVERLAY => "; encrypted networks need IP protocol 50 (ESP) too, which nobody can be asked for",
        _ => "",
    };
    match seen {
        Seen::Answer => Line::ok(check, format!("answers ({what}){also}")),
        Seen::Refusal if door.port == GOSSIP && has_gossip => {
            let seen = format!("refused, and over TCP it answers: a firewall refuses it ({what})");
            Line::fail(check, seen, let_through(door))
        }
        Seen::Refusal => {
            Line::ok(check, format!("refused: the way is open, nothing listens there yet ({what}){also}"))
        }
        Seen::Silence if has_gossip => {
            let seen = format!(
                "no refusal: somebody listens, or it is dropped, which looks the same ({what}){also}"
            );
            Line::ok(check, seen)
        }
        Seen::Silence => {
            let seen = format!(
                "no refusal, and 7946/tcp does not answer: it may be dropped on the way ({what}){also}"
            );
            Line::warn(check, seen, let_through(door))
        }
        Seen::Unreachable(why) => {
            Line::fail(check, format!("cannot be reached: {why} ({what})"), let_through(door))
        }
        Seen::Forbidden => forbidden(door, check),
    }
}

/// A peer whose name leads nowhere.
#[must_use]
pub fn no_address(peer: &Peer, why: &str) -> Line {
    let seen = format!("`{}` leads to no address: {why}", peer.address);
    let fix = "write an IP address at the node in network.yml, or mend the name: getent hosts NAME";
    Line::fail("address", seen, fix).of(&peer.label)
}

#[cfg(test)]
pub(in crate::checks) mod tests;
