//! Whether a network file holds together: everything that is wrong, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use evergate_model::{Host, Name, Service};
use serde_saphyr::{Location, Spanned};

use super::file::{Database, InstanceEntry, Listen, NetworkFile, NodeEntry, Zone};
use super::{Network, Planned, Problem};

const MOST_NODES: usize = 100;
const MOST_INSTANCES: usize = 500;
/// Where internal services listen if they have a machine of their own (design.md section 7).
const INTERNAL_PORTS: [(u16, Service); 4] = [
    (8300, Service::Administration),
    (8301, Service::Policy),
    (8302, Service::Authentication),
    (8303, Service::Distribution),
];

/// A network, or all problems in the order in which they stand in the file.
pub(super) fn check(file: NetworkFile) -> Result<Network, Vec<Problem>> {
    let mut problems = Vec::new();
    let stack = name(&file.stack.value, file.stack.referenced, "stack", &mut problems);
    let nodes = nodes(&file, &mut problems);
    let instances = instances(&file, &mut problems);
    ports(&instances, &mut problems);
    needed(&file, &mut problems);
    database(&file, &mut problems);
    match (stack, problems.is_empty()) {
        (Some(stack), true) => Ok(Network {
            stack,
            image: file.image,
            database: file.database,
            distribute_keys: file.distribute_keys,
            nodes,
            instances: in_order(instances),
        }),
        _ => {
            problems.sort_by_key(|problem| (problem.line, problem.column));
            Err(problems)
        }
    }
}

fn name(text: &str, place: Location, of: &str, problems: &mut Vec<Problem>) -> Option<Name> {
    text.parse().map_err(|error| problems.push(Problem::at(place, format!("{of} {error}")))).ok()
}

fn nodes(file: &NetworkFile, problems: &mut Vec<Problem>) -> BTreeMap<Name, NodeEntry> {
    if file.nodes.len() > MOST_NODES {
        problems.push(Problem::whole(format!(
            "{} nodes are more than the {MOST_NODES} that are allowed",
            file.nodes.len()
        )));
    }
    let mut by_address: BTreeMap<&str, &str> = BTreeMap::new();
    let mut nodes = BTreeMap::new();
    for (text, entry) in &file.nodes {
        let (place, node) = (entry.referenced, &entry.value);
        if !is_address(&node.address) {
            problems.push(Problem::at(
                place,
                format!(
                    "`{}` is not an address of node `{text}`: write a host name or an IP address",
                    node.address
                ),
            ));
        }
        if let Some(other) = by_address.insert(&node.address, text) {
            problems.push(Problem::at(
                place,
                format!("nodes `{other}` and `{text}` have the same address `{}`", node.address),
            ));
        }
        if let Some(name) = name(text, place, "node", problems) {
            nodes.insert(name, node.clone());
        }
    }
    nodes
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<Host>().is_ok()
}

fn instances(file: &NetworkFile, problems: &mut Vec<Problem>) -> Vec<(Location, Planned)> {
    if file.instances.len() > MOST_INSTANCES {
        problems.push(Problem::whole(format!(
            "{} instances are more than the {MOST_INSTANCES} that are allowed",
            file.instances.len()
        )));
    }
    let entries = file.instances.iter();
    entries.filter_map(|(text, entry)| instance(text, entry, file, problems)).collect()
}

fn instance(
    text: &str,
    entry: &Spanned<InstanceEntry>,
    file: &NetworkFile,
    problems: &mut Vec<Problem>,
) -> Option<(Location, Planned)> {
    let (place, instance) = (entry.referenced, &entry.value);
    let node_place = instance.node.referenced;
    match file.nodes.get(&instance.node.value) {
        None => {
            let known: Vec<&str> = file.nodes.keys().map(String::as_str).collect();
            problems.push(
                Problem::at(
                    node_place,
                    format!("instance `{text}` is on unknown node `{}`", instance.node.value),
                )
                .hint(format!("the nodes are: {}", known.join(", "))),
            );
        }
        Some(node) if node.value.zone == Zone::Dmz && instance.service != Service::AccessPoint => {
            problems.push(Problem::at(
                node_place,
                format!(
                    "instance `{text}` is on node `{}` in the dmz, where only access points run",
                    instance.node.value
                ),
            ));
        }
        Some(_) => {}
    }
    if instance.service != Service::AccessPoint
        && let Some(listen) = instance.listen.first()
    {
        problems
            .push(Problem::at(listen.referenced, format!("`listen` is for access points; `{text}` is none")));
    }
    let listen = instance.listen.iter().map(|listen| ports_are_real(listen, problems)).collect();
    let node = instance.node.value.parse().ok();
    let name = name(text, place, "instance", problems)?;
    let planned =
        Planned { name, service: instance.service, node: node?, priority: instance.priority, listen };
    Some((place, planned))
}

fn ports_are_real(listen: &Spanned<Listen>, problems: &mut Vec<Problem>) -> Listen {
    if listen.value.port == 0 {
        problems.push(Problem::at(listen.referenced, "port `0` is not a port"));
    }
    listen.value
}

/// No port of a node is wanted twice.
fn ports(instances: &[(Location, Planned)], problems: &mut Vec<Problem>) {
    let mut taken: BTreeMap<(&Name, u16), &Name> = BTreeMap::new();
    for (place, instance) in instances {
        for port in instance.listen.iter().map(|listen| listen.port) {
            if let Some(other) = taken.insert((&instance.node, port), &instance.name) {
                let message = format!(
                    "port {port} of node `{}` is wanted by `{other}` and by `{}`",
                    instance.node, instance.name
                );
                problems.push(Problem::at(*place, message));
            }
            let internal =
                INTERNAL_PORTS.iter().find(|(internal, _)| *internal == port).map(|(_, service)| service);
            let beside = |(_, other): &&(Location, Planned)| {
                other.node == instance.node && Some(&other.service) == internal
            };
            if let Some((_, other)) = instances.iter().find(beside) {
                let message = format!("port {port} of node `{}` belongs to `{}`", instance.node, other.name);
                problems.push(Problem::at(*place, message));
            }
        }
    }
}

/// Without one of each nobody can sign in and reach anything.
fn needed(file: &NetworkFile, problems: &mut Vec<Problem>) {
    let present: BTreeSet<Service> = file.instances.values().map(|entry| entry.value.service).collect();
    let missing = Service::ALL.into_iter().filter(|service| !present.contains(service));
    problems.extend(missing.map(|service| {
        Problem::whole(format!("there is no instance of the service `{service}`"))
            .hint(format!("add one under `instances`: {service}1: {{ service: {service}, node: ... }}"))
    }));
}

fn database(file: &NetworkFile, problems: &mut Vec<Problem>) {
    match &file.database {
        Database::Sqlite => {
            let with_database = |entry: &&Spanned<InstanceEntry>| entry.value.service != Service::AccessPoint;
            let nodes: BTreeSet<&str> = file
                .instances
                .values()
                .filter(with_database)
                .map(|entry| entry.value.node.value.as_str())
                .collect();
            if nodes.len() > 1 {
                let list: Vec<&str> = nodes.into_iter().collect();
                problems.push(
                    Problem::whole(format!(
                        "SQLite serves one node, but {} need the database",
                        list.join(", ")
                    ))
                    .hint("name a PostgreSQL database: `database: { url_file: FILE }`"),
                );
            }
        }
        Database::Managed(node) if !file.nodes.contains_key(node) => {
            problems.push(Problem::whole(format!("the database is on unknown node `{node}`")));
        }
        Database::Managed(_) | Database::UrlFile(_) => {}
    }
}

/// By service, then as in the file.
fn in_order(instances: Vec<(Location, Planned)>) -> Vec<Planned> {
    let mut instances = instances;
    instances.sort_by_key(|(place, planned)| (planned.service, place.line(), place.column()));
    instances.into_iter().map(|(_, planned)| planned).collect()
}

#[cfg(test)]
mod tests;
