//! Where instances in a swarm are reached, and what a firewall in front of the dmz must let through.

use std::collections::BTreeMap;

use evergate_model::{Name, Service, Topology};
use evergate_process::bootstrap::ListenerSource;

use super::layout::{serves_access_points, zone};
use super::{CONSOLE, OPERATIONS};
use crate::network::{Addresses, Listen, Network, Planned, Zone};

/// What a process in a container, and one on a machine in the dmz, listens at for everybody: which of it can be reached
/// is the container's, or the firewall's, affair.
const ANY: &str = "0.0.0.0";

/// A connection that access points in the dmz make, and nobody else there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The node in the dmz.
    pub from: Name,
    /// The node that is called.
    pub to: Name,
    /// The address of that node.
    pub address: String,
    /// The port, TCP.
    pub port: u16,
    /// The instance that is reached.
    pub instance: Name,
}

/// Where callers in a zone reach an instance, `host:port`: by its name on the overlay network, from the dmz by its
/// node. Nobody calls access points, and nobody in the dmz calls distribution.
#[must_use]
pub fn reached_at(network: &Network, planned: &Planned, from: Zone) -> Option<String> {
    match from {
        Zone::Internal => Some(format!("{}:{}", planned.name, Network::container_port(planned.service)?)),
        Zone::Dmz if serves_access_points(planned.service) => Some(at_node(network, planned, planned.port?)),
        Zone::Dmz => None,
    }
}

/// Where everything is that a network runs in a swarm, and beside it.
#[must_use]
pub fn topology(network: &Network) -> Topology {
    network.topology(|planned| {
        let container_port = Network::container_port(planned.service);
        let outside = reached_at(network, planned, Zone::Dmz);
        // Nobody calls an access point: where it alone answers is for people.
        let own = || Some(at_node(network, planned, planned.listen.first()?.port));
        let operations = if is_in_swarm(network, planned) { OPERATIONS } else { planned.operations };
        Addresses {
            address: reached_at(network, planned, Zone::Internal).or_else(own).unwrap_or_default(),
            operations: format!("127.0.0.1:{operations}"),
            outside,
            listen: container_port.map(|port| format!("{ANY}:{port}")),
            is_outside: !is_in_swarm(network, planned) || zone(network, planned) == Zone::Dmz,
        }
    })
}

/// Where browsers and API clients reach access points and administration, as their processes see it.
#[must_use]
pub fn listeners(network: &Network) -> BTreeMap<Name, Vec<ListenerSource>> {
    let of = |planned: &Planned| match planned.service {
        Service::Administration => vec![ListenerSource::address(format!("{ANY}:{CONSOLE}"))],
        _ => planned.listen.iter().map(|listen| listener(listen, is_in_swarm(network, planned))).collect(),
    };
    let all = network.instances().iter().map(|planned| (planned.name.clone(), of(planned)));
    all.filter(|(_, listeners)| !listeners.is_empty()).collect()
}

/// The API of each administration instance, as the other machines reach it.
#[must_use]
pub fn servers(network: &Network) -> Vec<String> {
    let of = |planned: &Planned| {
        Some(format!("https://{}/api/v1", at_node(network, planned, planned.console_port()?)))
    };
    network.instances().iter().filter_map(of).collect()
}

/// In a container the port is published, or not, by the swarm.
fn listener(listen: &Listen, is_contained: bool) -> ListenerSource {
    let host = match (is_contained, listen.all_interfaces) {
        (true, _) => ANY,
        (false, true) => "[::]",
        (false, false) => "127.0.0.1",
    };
    let balancers = listen.proxy_protocol.as_ref().map(|proxy| proxy.from.clone());
    ListenerSource::Address {
        address: format!("{host}:{}", listen.port),
        proxy_protocol_from: balancers.unwrap_or_default(),
    }
}

fn is_in_swarm(network: &Network, planned: &Planned) -> bool {
    network.nodes().get(&planned.node).is_some_and(|node| node.swarm.is_some())
}

/// `host:port` on the node of an instance.
fn at_node(network: &Network, planned: &Planned, port: u16) -> String {
    let address = network.nodes().get(&planned.node).map_or("", |node| node.address.as_str());
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// What a firewall must let through from the dmz to the inner nodes, and nothing else.
#[must_use]
pub fn openings(network: &Network) -> Vec<Opening> {
    let has_points = |node: &Name| {
        let mut on_node = network.instances().iter().filter(|planned| planned.node == *node);
        on_node.any(|planned| planned.service == Service::AccessPoint)
    };
    let dmz = network.nodes().iter().filter(|(_, node)| node.zone == Zone::Dmz);
    let sources = dmz.map(|(name, _)| name).filter(|name| has_points(name));
    let opening = |from: &Name, planned: &Planned| {
        let node = network.nodes().get(&planned.node)?;
        Some(Opening {
            from: from.clone(),
            to: planned.node.clone(),
            address: node.address.clone(),
            port: planned.port.filter(|_| serves_access_points(planned.service))?,
            instance: planned.name.clone(),
        })
    };
    sources
        .flat_map(|from| network.instances().iter().filter_map(move |planned| opening(from, planned)))
        .collect()
}
