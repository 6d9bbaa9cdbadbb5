//! Where instances in a swarm are reached, and what a firewall in front of the dmz must let through.

use evergate_model::{Name, Service};

use super::layout::serves_access_points;
use crate::network::{Network, Planned, Zone};

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
        Zone::Dmz if serves_access_points(planned.service) => {
            let address = &network.nodes().get(&planned.node)?.address;
            let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
            Some(format!("{host}:{}", planned.port?))
        }
        Zone::Dmz => None,
    }
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
