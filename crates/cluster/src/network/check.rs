//! Whether a network file holds together: everything that is wrong, and what is well to know.

mod instances;
mod names;
mod nodes;
mod overrides;
mod ports;
mod warnings;

use evergate_model::Service;

use super::file::{Database, NetworkFile, Zone};
use super::problem::Place;
use super::{Network, Problem};

pub(super) use ports::{console, internal};

/// A network, or all problems in the order in which they stand in the file. `problems` are those found in reading it.
pub(super) fn check(file: &NetworkFile, mut problems: Vec<Problem>) -> Result<Network, Vec<Problem>> {
    let found = &mut problems;
    let stack = names::name(&file.stack, "stack", found);
    let nodes = nodes::nodes(file, found);
    let mut instances = instances::instances(file, found);
    ports::assign(&mut instances);
    ports::clashes(&instances, file, found);
    if file.is_complete {
        nodes::swarm(file, found);
        instances::needed(file, found);
        database(file, found);
    }
    names::images(file, found);
    overrides::check(file, found);
    match (stack, problems.is_empty()) {
        (Some(stack), true) => {
            let network = Network {
                stack,
                image: file.image.as_ref().map(|image| image.value.clone()),
                database: file.database.value.clone(),
                distribute_keys: file.distribute_keys,
                encrypted_networks: file.encrypted_networks.value,
                nodes,
                instances: instances::in_order(instances),
                overrides: file.overrides.clone(),
                directory: std::path::PathBuf::new(),
                warnings: Vec::new(),
            };
            let warnings = warnings::warnings(file, &network);
            Ok(Network { warnings, ..network })
        }
        _ => Err(problems),
    }
}

/// The database is where those who need it reach it.
fn database(file: &NetworkFile, problems: &mut Vec<Problem>) {
    let place = file.database.place;
    match &file.database.value {
        Database::Sqlite => sqlite(file, place, problems),
        Database::UrlFile(path) if path.trim().is_empty() => {
            problems.push(Problem::at(place, "`url_file` names no file"));
        }
        Database::UrlFile(_) => {}
        Database::Managed(node) => managed(file, node, place, problems),
    }
}

fn sqlite(file: &NetworkFile, place: Place, problems: &mut Vec<Problem>) {
    let mut nodes: Vec<&str> = Vec::new();
    let with_database = file.instances.iter().filter(|(_, entry)| entry.service != Service::AccessPoint);
    for (_, entry) in with_database {
        if !nodes.contains(&entry.node.value.as_str()) {
            nodes.push(&entry.node.value);
        }
    }
    if nodes.len() > 1 {
        let message =
            format!("SQLite serves one node, and instances on {} need the database", nodes.join(", "));
        let hint = "name a PostgreSQL: `database: { url_file: FILE }`, or `database: { managed: NODE }`";
        problems.push(Problem::at(place, message).hint(hint));
    }
}

fn managed(file: &NetworkFile, node: &str, place: Place, problems: &mut Vec<Problem>) {
    let Some((_, entry)) = file.nodes.iter().find(|(name, _)| name.value == node) else {
        let problem = Problem::at(place, format!("the database is on unknown node `{node}`"));
        problems.push(problem.hint(nodes::known(file, node)));
        return;
    };
    if entry.zone == Zone::Dmz {
        let message = format!("the database is on node `{node}` in the dmz, where only access points run");
        problems.push(Problem::at(place, message));
    } else if entry.swarm.is_none() {
        let message = format!("the database on node `{node}` needs a Docker swarm, and that node is in none");
        let hint =
            "write `swarm: manager` or `swarm: worker` at the node, or name a PostgreSQL by `url_file`";
        problems.push(Problem::at(place, message).hint(hint));
    }
}

#[cfg(test)]
mod tests;
