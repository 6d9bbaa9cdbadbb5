//! The nodes of a swarm, and which of them is which node of `network.yml`.
//!
//! A machine is known by its Docker id, which its certificate from the swarm proves. Its host name is what it says of
//! itself, and decides nothing. The binding of a name to an id is a label of the node, which managers alone can set.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{Node, NodeSpecAvailabilityEnum, NodeSpecRoleEnum, NodeState};
use bollard::query_parameters::{
    DeleteNodeOptionsBuilder, ListNodesOptionsBuilder, UpdateNodeOptionsBuilder,
};
use evergate_model::Name;

use super::{Swarm, SwarmError, shown};

/// Tries of a change that somebody else's change overtook.
pub(super) const TRIES: usize = 8;

/// A node of the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmNode {
    /// Docker's id of it.
    pub id: String,
    /// What it calls itself, without what would deceive whoever reads it.
    pub host_name: String,
    /// Where the manager sees it.
    pub address: String,
    /// Whether it is a manager.
    pub is_manager: bool,
    /// Whether the swarm hears of it.
    pub is_ready: bool,
    /// Whether nothing is to run on it.
    pub is_drained: bool,
    /// The node of `network.yml` that it was accepted as.
    pub name: Option<String>,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
}

impl Swarm {
    /// The nodes, by id.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub async fn nodes(&self) -> Result<Vec<SwarmNode>, SwarmError> {
        let options = ListNodesOptionsBuilder::new().build();
        let nodes = self.docker.list_nodes(Some(options)).await.map_err(|error| self.explained(error))?;
        let mut nodes: Vec<SwarmNode> = nodes.into_iter().filter_map(|node| self.seen(node)).collect();
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(nodes)
    }

    fn seen(&self, node: Node) -> Option<SwarmNode> {
        let (spec, status) = (node.spec.unwrap_or_default(), node.status.unwrap_or_default());
        let labels: BTreeMap<String, String> = spec.labels.unwrap_or_default().into_iter().collect();
        Some(SwarmNode {
            id: node.id?,
            host_name: shown(
                &node.description.and_then(|description| description.hostname).unwrap_or_default(),
            ),
            address: status.addr.unwrap_or_default(),
            is_manager: spec.role == Some(NodeSpecRoleEnum::MANAGER),
            is_ready: status.state == Some(NodeState::READY),
            is_drained: spec.availability == Some(NodeSpecAvailabilityEnum::DRAIN),
            name: labels.get(&self.node_label()).cloned(),
            labels,
        })
    }

    /// The label that says which node of `network.yml` a machine is.
    pub(super) fn node_label(&self) -> String {
        crate::render::label(self.stack.as_str(), "node")
    }

    /// Binds a name to a machine; answers whether that was new.
    ///
    /// # Errors
    /// When the name is another machine's, or the machine has another name.
    pub async fn accept(&self, name: &Name, id: &str) -> Result<bool, SwarmError> {
        let nodes = self.nodes().await?;
        if !claim(&nodes, name, id)? {
            return Ok(false);
        }
        self.label(id, |labels| labels.push((self.node_label(), Some(name.to_string())))).await?;
        // Two that were accepted at the same moment would both have the name.
        bound(&self.nodes().await?)?;
        Ok(true)
    }

    /// Changes labels of a node: a value is put, none takes the label away.
    pub(super) async fn label(
        &self,
        id: &str,
        change: impl Fn(&mut Vec<(String, Option<String>)>),
    ) -> Result<(), SwarmError> {
        let mut changes = Vec::new();
        change(&mut changes);
        self.update(id, |spec| {
            let labels = spec.labels.get_or_insert_default();
            for (key, value) in &changes {
                match value {
                    Some(value) => labels.insert(key.clone(), value.clone()),
                    None => labels.remove(key),
                };
            }
        })
        .await
    }

    /// Lets no task of the swarm run on a node.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn drain(&self, id: &str) -> Result<(), SwarmError> {
        self.update(id, |spec| spec.availability = Some(NodeSpecAvailabilityEnum::DRAIN)).await
    }

    /// Takes a node out of the swarm: it can come back only with a join token.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn expel(&self, id: &str) -> Result<(), SwarmError> {
        let options = DeleteNodeOptionsBuilder::new().force(true).build();
        self.docker.delete_node(id, Some(options)).await.map_err(|error| self.explained(error))
    }

    async fn update(
        &self,
        id: &str,
        change: impl Fn(&mut bollard::models::NodeSpec),
    ) -> Result<(), SwarmError> {
        for attempt in 1.. {
            let node = self.docker.inspect_node(id).await.map_err(|error| self.explained(error))?;
            let version = node.version.and_then(|version| version.index).unwrap_or_default();
            let mut spec = node.spec.unwrap_or_default();
            change(&mut spec);
            let version = i64::try_from(version).unwrap_or(i64::MAX);
            let options = UpdateNodeOptionsBuilder::new().version(version).build();
            match self.docker.update_node(id, spec, options).await {
                Ok(()) => break,
                Err(error) if attempt < TRIES && error.to_string().contains("out of sequence") => {}
                Err(error) => return Err(self.explained(error)),
            }
        }
        Ok(())
    }
}

/// Whether a machine may have a name that it does not have yet.
fn claim(nodes: &[SwarmNode], name: &Name, id: &str) -> Result<bool, SwarmError> {
    let bound = bound(nodes)?;
    let node = nodes.iter().find(|node| node.id == id);
    let node = node.ok_or_else(|| SwarmError::NoNode(id.to_owned()))?;
    match (bound.get(name), &node.name) {
        (Some(bound), _) if bound.id != id => {
            let (name, bound) = (name.clone(), bound.id.clone());
            Err(SwarmError::Bound { name, bound, claims: id.to_owned() })
        }
        (_, Some(has)) if has != name.as_str() => {
            Err(SwarmError::HasName { id: id.to_owned(), has: has.clone(), name: name.clone() })
        }
        (bound, _) => Ok(bound.is_none()),
    }
}

/// The machine of each name.
pub(super) fn bound(nodes: &[SwarmNode]) -> Result<BTreeMap<Name, &SwarmNode>, SwarmError> {
    let mut bound: BTreeMap<Name, &SwarmNode> = BTreeMap::new();
    for node in nodes {
        let Some(name) = node.name.as_ref().and_then(|name| name.parse::<Name>().ok()) else { continue };
        if let Some(other) = bound.insert(name.clone(), node) {
            return Err(SwarmError::TwoClaim(other.id.clone(), node.id.clone(), name));
        }
    }
    Ok(bound)
}

/// The services whose label each name's machine has.
pub(super) fn labels(nodes: &[SwarmNode], stack: &str) -> Result<BTreeSet<(Name, String)>, SwarmError> {
    let bound = bound(nodes)?;
    let prefix = crate::render::label(stack, "");
    let mut labels = BTreeSet::new();
    for node in nodes {
        let name = bound.iter().find(|(_, of)| of.id == node.id).map(|(name, _)| name);
        let own = node.labels.keys().filter_map(|label| Some((label, label.strip_prefix(&prefix)?)));
        for (label, service) in own.filter(|(_, service)| *service != "node") {
            let stray = || SwarmError::Stray { id: node.id.clone(), label: label.clone() };
            labels.insert((name.ok_or_else(stray)?.clone(), service.to_owned()));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, labels: &[(&str, &str)]) -> SwarmNode {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        SwarmNode {
            id: id.to_owned(),
            host_name: "node-a".to_owned(),
            address: "10.0.0.1".to_owned(),
            is_manager: false,
            is_ready: true,
            is_drained: false,
            name: labels.get("evergate.acme.node").cloned(),
            labels,
        }
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_one_machines_and_a_machine_has_one_name() {
        let nodes = [node("1", &[("evergate.acme.node", "node-a")]), node("2", &[])];
        assert!(!claim(&nodes, &name("node-a"), "1").unwrap(), "it has it already");
        assert!(claim(&nodes, &name("node-b"), "2").unwrap());
        // The second claims the first one's host name, too.
        assert!(matches!(claim(&nodes, &name("node-a"), "2"), Err(SwarmError::Bound { .. })));
        assert!(matches!(claim(&nodes, &name("node-b"), "1"), Err(SwarmError::HasName { .. })));
        assert!(matches!(claim(&nodes, &name("node-b"), "3"), Err(SwarmError::NoNode(_))));
    }

    #[test]
    fn labels_that_were_set_by_hand_are_not_believed() {
        let two = [node("1", &[("evergate.acme.node", "a")]), node("2", &[("evergate.acme.node", "a")])];
        assert!(matches!(bound(&two), Err(SwarmError::TwoClaim(..))));
        let stray = [node("2", &[("evergate.acme.policy1", "true")])];
        assert!(matches!(labels(&stray, "acme"), Err(SwarmError::Stray { .. })));
        let others =
            [node("1", &[("evergate.acme.node", "a"), ("evergate.acme2.policy1", "true"), ("x", "y")])];
        assert_eq!(labels(&others, "acme").unwrap(), BTreeSet::new());
    }
}
