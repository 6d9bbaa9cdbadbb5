//! What must be done so that a swarm runs what a network says: a pure comparison, ordered so that no service is
//! left without a ready instance that had two.
//!
//! Each step is taken when the one before is done; [`State::after`] says what a step does. What another step stands
//! in the way of (a port of the node) is done after that one.

mod order;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use evergate_model::{Name, Service};

use crate::render::{ComposeFile, DATABASE, Rendered};

pub use state::{Running, State};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Gives a node the label of a service.
    AddLabel {
        /// The node.
        node: Name,
        /// The service.
        name: String,
    },
    /// Takes the label of a service from a node where nothing runs by it.
    RemoveLabel {
        /// The node.
        node: Name,
        /// The service.
        name: String,
    },
    /// Makes a secret.
    MakeSecret(String),
    /// Removes a secret that nothing uses any more.
    RemoveSecret(String),
    /// Waits until a service is ready, before another is touched.
    Await(String),
    /// Starts a service, and waits until it is ready.
    Add {
        /// Its name.
        name: String,
        /// What it is.
        service: Rendered,
    },
    /// Drains and stops a service, starts it with its new definition, and waits until it is ready.
    Change {
        /// Its name.
        name: String,
        /// What it becomes.
        service: Rendered,
        /// The image that it had.
        from: String,
    },
    /// Drains and stops a service, moves its label and starts it on the other node, and waits until it is ready.
    Move {
        /// Its name.
        name: String,
        /// What it becomes.
        service: Rendered,
        /// The nodes that had its label.
        from: BTreeSet<Name>,
    },
    /// Drains and removes a service.
    Remove {
        /// Its name.
        name: String,
    },
}

/// What must be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Services that are without a ready instance for a while, because there is no second one, or because two
    /// exchange a port of their nodes.
    pub interrupted: BTreeSet<Service>,
    /// Whether the managed database is stopped for a while.
    pub interrupts_database: bool,
}

impl Plan {
    /// What turns `state` into what `file` says.
    ///
    /// # Errors
    /// When that would lose data.
    pub fn between(state: &State, file: &ComposeFile) -> Result<Self, PlanError> {
        Self::towards(state, &file.services)
    }

    fn towards(state: &State, wanted: &BTreeMap<String, Rendered>) -> Result<Self, PlanError> {
        if let (Some(to), true) = (wanted.get(DATABASE), state.services.contains_key(DATABASE)) {
            let from = state.nodes_of(DATABASE);
            if !from.contains(&to.node) {
                return Err(PlanError::DatabaseMoves { from: nodes(&from), to: to.node.clone() });
            }
        }
        for (name, service) in wanted {
            match state.services.get(name) {
                Some(running) if running.service != service.service => {
                    return Err(PlanError::ServiceChanges { name: name.clone() });
                }
                _ => {}
            }
        }
        Ok(order::order(state, wanted))
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Why nothing is planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A volume stays where it is.
    #[error("the managed database cannot be moved from {from} to node `{to}`: its data would stay behind")]
    DatabaseMoves {
        /// Where it is.
        from: String,
        /// Where it is wanted.
        to: Name,
    },
    /// Certificate, keys and data of an instance are those of its service.
    #[error("`{name}` runs another service: give the new instance another name")]
    ServiceChanges {
        /// The instance.
        name: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddLabel { node, name } => write!(f, "label node `{node}` for `{name}`"),
            Self::RemoveLabel { node, name } => write!(f, "take the label for `{name}` from node `{node}`"),
            Self::MakeSecret(name) => write!(f, "make the secret `{name}`"),
            Self::RemoveSecret(name) => write!(f, "remove the secret `{name}`"),
            Self::Await(name) => write!(f, "wait until `{name}` is ready"),
            Self::Add { name, service } => write!(f, "add `{name}` on node `{}`", service.node),
            Self::Change { name, service, from } if *from != service.image => {
                write!(f, "change `{name}`: image `{}` becomes `{}`", from, service.image)
            }
            Self::Change { name, .. } => write!(f, "change `{name}`: its definition differs"),
            Self::Move { name, service, from } => {
                write!(f, "move `{name}` from {} to node `{}`", nodes(from), service.node)
            }
            Self::Remove { name } => write!(f, "remove `{name}`"),
        }
    }
}

fn nodes(nodes: &BTreeSet<Name>) -> String {
    match nodes.len() {
        0 => "no node".to_owned(),
        _ => nodes.iter().map(|node| format!("node `{node}`")).collect::<Vec<_>>().join(" and "),
    }
}

#[cfg(test)]
mod tests;
