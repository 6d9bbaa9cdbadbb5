//! Whether what a person adds to the rendered file leaves alone what Evergate decides in it.

use std::collections::BTreeMap;

use super::super::Problem;
use super::super::file::{Database, NetworkFile};
use super::super::problem::Place;
use super::super::similar::nearest;
use super::super::tree::{Kind, Placed, Tree};
use super::names::DATABASE;

/// What may be added to.
pub(super) const SECTIONS: [&str; 4] = ["services", "networks", "volumes", "configs"];
/// The networks of the rendered file.
const NETWORKS: [&str; 3] = ["internal", "edge", "outside"];
/// What the network file says elsewhere, or what instances could not do without.
const DECIDED: [(&str, &str); 8] = [
    ("image", "it is the `image` of the instance"),
    ("ports", "they follow from `listen` and the service"),
    ("command", "an instance is started with its name and bootstrap file"),
    ("entrypoint", "an instance is started with its name and bootstrap file"),
    ("secrets", "they carry the bootstrap file"),
    ("healthcheck", "it asks the instance whether it lives"),
    ("read_only", "nothing is written outside volumes"),
    ("user", "no container runs as root"),
];
const DECIDED_OF_DEPLOY: [(&str, &str); 4] = [
    ("placement", "it is the `node` of the instance"),
    ("mode", "an instance runs once"),
    ("replicas", "an instance runs once: add another instance"),
    ("endpoint_mode", "virtual addresses keep dead connections"),
];

/// The overrides touch rendered services only, and only what is left open.
pub(super) fn check(file: &NetworkFile, problems: &mut Vec<Problem>) {
    let Some(overrides) = &file.overrides else { return };
    twice(overrides, problems);
    let Some(sections) = entries(overrides, "`overrides`", problems) else { return };
    for (key, tree) in sections {
        if !SECTIONS.contains(&key.value.as_str()) {
            let message = format!("`overrides` has no key `{}`", key.value);
            let hint = match nearest(&key.value, SECTIONS) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its keys are: {}", SECTIONS.join(", ")),
            };
            problems.push(Problem::at(key.place, message).hint(hint));
        } else if let Some(entries) = entries(tree, &format!("`{}`", key.value), problems) {
            match key.value.as_str() {
                "services" => entries.iter().for_each(|(name, tree)| service(name, tree, file, problems)),
                "networks" => entries.iter().for_each(|(name, _)| foreign(name.place, &name.value, problems)),
                _ => {}
            }
        }
    }
}

/// No key is there twice, at any depth.
fn twice(tree: &Tree, problems: &mut Vec<Problem>) {
    match &tree.value {
        Kind::Mapping(entries) => {
            let mut places: BTreeMap<&str, Place> = BTreeMap::new();
            for (key, value) in entries {
                if let Some(earlier) = places.insert(&key.value, key.place) {
                    let message = format!("`{}` stands in line {} already", key.value, earlier.line);
                    problems.push(Problem::at(key.place, message));
                }
                twice(value, problems);
            }
        }
        Kind::List(items) => items.iter().for_each(|item| twice(item, problems)),
        _ => {}
    }
}

fn entries<'a>(
    tree: &'a Tree,
    of: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a [(Placed<String>, Tree)]> {
    let Kind::Mapping(entries) = &tree.value else {
        problems.push(Problem::at(tree.place, format!("{of} is a mapping, not {}", tree.value.noun())));
        return None;
    };
    Some(entries)
}

fn service(name: &Placed<String>, tree: &Tree, file: &NetworkFile, problems: &mut Vec<Problem>) {
    let rendered = rendered(file);
    if !rendered.contains(&name.value.as_str()) && file.is_complete {
        let problem = Problem::at(name.place, format!("`{}` is no service of the rendered file", name.value));
        problems.push(problem.hint(match nearest(&name.value, rendered.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("its services are: {}", rendered.join(", ")),
        }));
    }
    let Some(keys) = entries(tree, &format!("`{}`", name.value), problems) else { return };
    decided(&name.value, keys, &DECIDED, problems);
    if let Some((_, tree)) = keys.iter().find(|(key, _)| key.value == "networks") {
        networks(tree, problems);
    }
    let deploy = keys.iter().find(|(key, _)| key.value == "deploy");
    if let Some((_, tree)) = deploy
        && let Some(keys) = entries(tree, "`deploy`", problems)
    {
        decided(&name.value, keys, &DECIDED_OF_DEPLOY, problems);
    }
}

/// A service may stand on further networks, of the person's own.
fn networks(tree: &Tree, problems: &mut Vec<Problem>) {
    let Kind::List(items) = &tree.value else {
        problems
            .push(Problem::at(tree.place, format!("`networks` is a list here, not {}", tree.value.noun())));
        return;
    };
    for item in items {
        match &item.value {
            Kind::Text(name) => foreign(item.place, name, problems),
            other => {
                problems.push(Problem::at(item.place, format!("a network is a text, not {}", other.noun())))
            }
        }
    }
}

fn foreign(place: Place, name: &str, problems: &mut Vec<Problem>) {
    if NETWORKS.contains(&name) {
        let message =
            format!("network `{name}` cannot be overridden: it keeps access points from the database");
        problems.push(Problem::at(place, message).hint("add a network of your own"));
    }
}

fn decided(
    service: &str,
    keys: &[(Placed<String>, Tree)],
    table: &[(&str, &str)],
    problems: &mut Vec<Problem>,
) {
    for (key, _) in keys {
        if let Some((_, why)) = table.iter().find(|(decided, _)| *decided == key.value) {
            let message = format!("`{}` of `{service}` cannot be overridden: {why}", key.value);
            problems.push(Problem::at(key.place, message));
        }
    }
}

/// The services of the rendered file: instances on nodes of the swarm, and the managed database.
fn rendered(file: &NetworkFile) -> Vec<&str> {
    let is_in_swarm =
        |node: &str| file.nodes.iter().any(|(name, entry)| name.value == node && entry.swarm.is_some());
    let instances = file.instances.iter().filter(|(_, entry)| is_in_swarm(&entry.node.value));
    let database = matches!(file.database.value, Database::Managed(_)).then_some(DATABASE);
    instances.map(|(name, _)| name.value.as_str()).chain(database).collect()
}
