//! Whether each instance has a place where it may run, and each service an instance.

use evergate_model::Service;

use super::super::file::{InstanceEntry, NetworkFile, Zone};
use super::super::problem::Place;
use super::super::tree::Placed;
use super::super::{Planned, Problem};
use super::{names, nodes};

const MOST_INSTANCES: usize = 500;
const MOST_LISTENERS: usize = 20;

/// The instances as far as they hold together, with their places.
pub(super) fn instances(file: &NetworkFile, problems: &mut Vec<Problem>) -> Vec<(Place, Planned)> {
    let count = file.instances.len();
    if count > MOST_INSTANCES {
        let message = format!("{count} instances are more than the {MOST_INSTANCES} that are allowed");
        problems.push(Problem::whole(message));
    }
    file.instances.iter().filter_map(|(text, entry)| instance(text, entry, file, problems)).collect()
}

fn instance(
    text: &Placed<String>,
    entry: &InstanceEntry,
    file: &NetworkFile,
    problems: &mut Vec<Problem>,
) -> Option<(Place, Planned)> {
    node(&text.value, entry, file, problems);
    listeners(&text.value, entry, problems);
    let name = names::instance(text, &file.stack.value, problems)?;
    let planned = Planned {
        name,
        service: entry.service,
        node: entry.node.value.parse().ok()?,
        priority: entry.priority,
        listen: entry.listen.iter().map(|listen| listen.value.clone()).collect(),
        port: None,
        operations: 0,
        image: entry.image.as_ref().map(|image| image.value.clone()),
        limits: entry.limits.or(file.limits),
    };
    Some((text.place, planned))
}

fn node(name: &str, entry: &InstanceEntry, file: &NetworkFile, problems: &mut Vec<Problem>) {
    let node = &entry.node;
    match file.nodes.iter().find(|(found, _)| found.value == node.value) {
        None if file.is_complete => {
            let message = format!("instance `{name}` is on unknown node `{}`", node.value);
            problems.push(Problem::at(node.place, message).hint(nodes::known(file, &node.value)));
        }
        Some((_, found)) if found.zone == Zone::Dmz && entry.service != Service::AccessPoint => {
            let message = format!(
                "instance `{name}` is on node `{}` in the dmz, where only access points run",
                node.value
            );
            problems.push(Problem::at(node.place, message));
        }
        _ => {}
    }
}

fn listeners(name: &str, entry: &InstanceEntry, problems: &mut Vec<Problem>) {
    let Some(first) = entry.listen.first() else { return };
    if entry.service != Service::AccessPoint {
        let message = format!("`listen` is for access points; `{name}` is none");
        problems.push(Problem::at(first.place, message));
    }
    if entry.listen.len() > MOST_LISTENERS {
        let message = format!("`{name}` has more than {MOST_LISTENERS} listeners");
        problems.push(Problem::at(first.place, message));
    }
}

/// Without one of each nobody can sign in and reach anything.
pub(super) fn needed(file: &NetworkFile, problems: &mut Vec<Problem>) {
    let is_there = |service| file.instances.iter().any(|(_, entry)| entry.service == service);
    for service in Service::ALL.into_iter().filter(|service| !is_there(*service)) {
        let problem = Problem::whole(format!("there is no instance of the service `{service}`"));
        let hint = format!("add one under `instances`: `{service}1: {{ service: {service}, node: NODE }}`");
        problems.push(problem.hint(hint));
    }
}

/// By service, then as in the file.
pub(super) fn in_order(mut instances: Vec<(Place, Planned)>) -> Vec<Planned> {
    instances.sort_by_key(|(place, planned)| (planned.service, *place));
    instances.into_iter().map(|(_, planned)| planned).collect()
}
