//! Which port of its node each instance has, and that no port is wanted twice.

use std::collections::BTreeMap;

use evergate_model::{Name, Service};

use super::super::file::NetworkFile;
use super::super::problem::Place;
use super::super::{Planned, Problem};

/// Further instances of a service on the same node are this far apart.
const STEP: u16 = 10;
/// Where the instances of a plain machine say how they are, one after the other; on its loopback interface.
const OPERATIONS: u16 = 8500;
/// What a swarm needs of its nodes: managers' API, gossip, overlay networks.
const SWARM: [u16; 3] = [2377, 7946, 4789];

/// Where instances of a service listen (design.md section 7); access points listen where the file says.
pub(in super::super) const fn internal(service: Service) -> Option<u16> {
    match service {
        Service::Administration => Some(8300),
        Service::Policy => Some(8301),
        Service::Authentication => Some(8302),
        Service::Distribution => Some(8303),
        Service::AccessPoint => None,
    }
}

/// Where an administration instance's console and API are, on the node of an instance with that internal port.
pub(in super::super) const fn console(internal: u16) -> u16 {
    internal + 4
}

/// The first instance of a service on a node has the service's port, the next ones follow in the order of the file.
pub(super) fn assign(instances: &mut [(Place, Planned)]) {
    let mut next: BTreeMap<(Name, Service), u16> = BTreeMap::new();
    for (_, instance) in instances.iter_mut() {
        let Some(first) = internal(instance.service) else { continue };
        let port = next.entry((instance.node.clone(), instance.service)).or_insert(first);
        instance.port = Some(*port);
        *port = port.saturating_add(STEP);
    }
    let mut next: BTreeMap<Name, u16> = BTreeMap::new();
    for (_, instance) in instances {
        let port = next.entry(instance.node.clone()).or_insert(OPERATIONS);
        instance.operations = *port;
        *port = port.saturating_add(1);
    }
}

/// No port of a node is wanted twice.
pub(super) fn clashes(instances: &[(Place, Planned)], file: &NetworkFile, problems: &mut Vec<Problem>) {
    let mut taken: BTreeMap<(&Name, u16), String> = BTreeMap::new();
    for (_, instance) in instances {
        let console = instance.port.filter(|_| instance.service == Service::Administration).map(console);
        for port in instance.port.into_iter().chain(console) {
            taken.insert((&instance.node, port), format!("`{}`", instance.name));
        }
    }
    let is_in_swarm = |node: &Name| {
        file.nodes.iter().any(|(name, entry)| name.value == node.as_str() && entry.swarm.is_some())
    };
    for (_, instance) in instances.iter().filter(|(_, instance)| !is_in_swarm(&instance.node)) {
        taken.insert((&instance.node, instance.operations), format!("`{}`", instance.name));
    }
    for (name, _) in file.nodes.iter().filter(|(_, entry)| entry.swarm.is_some()) {
        let node =
            instances.iter().map(|(_, instance)| &instance.node).find(|node| node.as_str() == name.value);
        taken.extend(
            node.into_iter().flat_map(|node| SWARM.map(|port| ((node, port), "the swarm".to_owned()))),
        );
    }
    for (place, instance) in instances {
        for port in instance.listen.iter().map(|listen| listen.port) {
            let name = format!("`{}`", instance.name);
            if let Some(other) = taken.insert((&instance.node, port), name) {
                let message = format!(
                    "port {port} of node `{}` is wanted by {other} and by `{}`",
                    instance.node, instance.name
                );
                problems.push(Problem::at(*place, message));
            }
        }
    }
}
