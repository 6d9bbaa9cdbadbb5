//! What works, and will not when something dies; refused where somebody asks for strictness.

use std::collections::BTreeSet;

use evergate_model::{Name, Service};

use super::super::file::{Database, NetworkFile, SwarmRole};
use super::super::problem::Place;
use super::super::{Network, Planned, Problem};

/// Everything that is well to know of a network that holds together.
pub(super) fn warnings(file: &NetworkFile, network: &Network) -> Vec<Problem> {
    let mut warnings = Vec::new();
    redundancy(file, network, &mut warnings);
    neighbours(file, network, &mut warnings);
    managers(file, &mut warnings);
    database(file, network, &mut warnings);
    encryption(file, network, &mut warnings);
    warnings
}

/// Everything that Evergate sends is under mutual TLS; what a managed database is sent is not.
fn encryption(file: &NetworkFile, network: &Network, warnings: &mut Vec<Problem>) {
    if network.encrypted_networks {
        return;
    }
    let has_database = matches!(network.database, Database::Managed(_));
    let message = match has_database {
        true => {
            "the networks are not encrypted: who listens between the machines reads what the managed database is sent"
        }
        false => "the networks are not encrypted: only mutual TLS protects what instances say to each other",
    };
    let hint = "leave `encrypted_networks` out, and let IP protocol 50 (ESP) pass between the machines";
    warnings.push(Problem::at(file.encrypted_networks.place, message).hint(hint));
}

fn redundancy(file: &NetworkFile, network: &Network, warnings: &mut Vec<Problem>) {
    let all: BTreeSet<&Name> = network.instances.iter().map(|planned| &planned.node).collect();
    if let (1, Some(node)) = (all.len(), all.first()) {
        let message = format!("everything is on node `{node}`: with it goes all");
        warnings.push(Problem::at(node_place(file, node), message).hint("add a node, and instances on it"));
    }
    for service in Service::ALL {
        let of: Vec<&Planned> =
            network.instances.iter().filter(|planned| planned.service == service).collect();
        let nodes: BTreeSet<&Name> = of.iter().map(|planned| &planned.node).collect();
        match (of.as_slice(), nodes.first()) {
            ([only], _) => {
                let message = format!("`{}` is the only instance of the service `{service}`", only.name);
                let hint = "add another, on another node: nothing takes over from this one";
                warnings.push(Problem::at(place(file, &only.name), message).hint(hint));
            }
            ([first, ..], Some(node)) if nodes.len() == 1 && all.len() > 1 => {
                let message = format!("all instances of the service `{service}` are on node `{node}`");
                let hint = "put one on another node: nothing takes over when this one is lost";
                warnings.push(Problem::at(place(file, &first.name), message).hint(hint));
            }
            _ => {}
        }
    }
}

/// Who takes over an access point's machine is beside what access points must not have.
fn neighbours(file: &NetworkFile, network: &Network, warnings: &mut Vec<Problem>) {
    let inner = |node: &Name| {
        network.instances.iter().find(|other| other.node == *node && other.service != Service::AccessPoint)
    };
    for point in network.instances.iter().filter(|planned| planned.service == Service::AccessPoint) {
        if let Some(beside) = inner(&point.node) {
            let message =
                format!("access point `{}` is beside `{}` on node `{}`", point.name, beside.name, point.node);
            let hint = "give access points a node of their own, with `zone: dmz`: \
                        internal services hold keys that access points must not have";
            warnings.push(Problem::at(place(file, &point.name), message).hint(hint));
        }
    }
}

fn managers(file: &NetworkFile, warnings: &mut Vec<Problem>) {
    let roles = file.nodes.iter().filter_map(|(_, entry)| entry.swarm.as_ref());
    let managers: Vec<_> = roles.filter(|role| role.value == SwarmRole::Manager).collect();
    if let Some(last) = managers.last().filter(|_| managers.len().is_multiple_of(2)) {
        let count = managers.len();
        let message =
            format!("{count} managers are an even number: no more may be lost than with {}", count - 1);
        let hint = "a majority must remain: make it an odd number, such as 3";
        warnings.push(Problem::at(last.place, message).hint(hint));
    }
}

fn database(file: &NetworkFile, network: &Network, warnings: &mut Vec<Problem>) {
    if let Database::Managed(node) = &network.database {
        let message = format!("the database on node `{node}` is one: with it go sign-in and changes");
        let hint = "name a PostgreSQL with a standby by `url_file` when everything else is redundant";
        warnings.push(Problem::at(file.database.place, message).hint(hint));
    }
    let is_redundant = network.nodes.len() > 1;
    if network.database == Database::Sqlite && is_redundant {
        let message = "the database (SQLite) is on one machine: with it go sign-in and changes";
        warnings.push(Problem::at(file.database.place, message).hint("name a PostgreSQL by `database`"));
    }
}

fn place(file: &NetworkFile, instance: &Name) -> Place {
    let found = file.instances.iter().find(|(name, _)| name.value == instance.as_str());
    found.map_or_else(Place::default, |(name, _)| name.place)
}

fn node_place(file: &NetworkFile, node: &Name) -> Place {
    let found = file.nodes.iter().find(|(name, _)| name.value == node.as_str());
    found.map_or_else(Place::default, |(name, _)| name.place)
}
