//! What runs, as far as a plan must know it, and what each step makes of it.

use std::collections::{BTreeMap, BTreeSet};

use evergate_model::{Name, Service};

use super::Step;
use crate::render::Rendered;

/// A service that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Which of the five it runs; the database none.
    pub service: Option<Service>,
    /// Its image, as the swarm has it: perhaps with a digest behind the tag.
    pub image: String,
    /// The secrets of the swarm that it uses.
    pub secrets: BTreeSet<String>,
    /// The ports of its node that it takes.
    pub ports: BTreeSet<u16>,
    /// The value of its label [`crate::render::DEFINITION`].
    pub definition: String,
    /// Whether it is ready.
    pub is_ready: bool,
}

/// What a stack has in a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The services of the stack, by name.
    pub services: BTreeMap<String, Running>,
    /// The labels of the stack that nodes have, without `evergate.STACK.`.
    pub labels: BTreeSet<(Name, String)>,
    /// The secrets of the stack.
    pub secrets: BTreeSet<String>,
}

impl Running {
    /// What runs when a service was started.
    #[must_use]
    pub fn from_rendered(service: &Rendered) -> Self {
        Self {
            service: service.service,
            image: service.image.clone(),
            secrets: service.secrets.clone(),
            ports: service.ports.clone(),
            definition: service.definition.clone(),
            is_ready: true,
        }
    }

    /// Whether it is what it should be, wherever it is: by its definition and secrets, and by the image, which a person may have changed by hand.
    pub(super) fn is_made_as(&self, wanted: &Rendered) -> bool {
        is_same_image(&self.image, &wanted.image)
            && self.secrets == wanted.secrets
            && self.ports == wanted.ports
            && self.definition == wanted.definition
    }
}

/// The swarm writes the digest behind the tag that it was told.
fn is_same_image(running: &str, wanted: &str) -> bool {
    running == wanted || running.strip_prefix(wanted).is_some_and(|rest| rest.starts_with("@sha256:"))
}

impl State {
    /// The state when a step is done.
    #[must_use]
    pub fn after(mut self, step: &Step) -> Self {
        match step {
            Step::AddLabel { node, name } => {
                self.labels.insert((node.clone(), name.clone()));
            }
            Step::RemoveLabel { node, name } => {
                self.labels.remove(&(node.clone(), name.clone()));
            }
            Step::MakeSecret(secret) => {
                self.secrets.insert(secret.clone());
            }
            Step::RemoveSecret(secret) => {
                self.secrets.remove(secret);
            }
            Step::Await(name) => {
                if let Some(running) = self.services.get_mut(name) {
                    running.is_ready = true;
                }
            }
            Step::Add { name, service } | Step::Change { name, service, .. } => {
                self.services.insert(name.clone(), Running::from_rendered(service));
            }
            Step::Move { name, service, .. } => {
                self.labels.retain(|(_, of)| of != name);
                self.labels.insert((service.node.clone(), name.clone()));
                self.services.insert(name.clone(), Running::from_rendered(service));
            }
            Step::Remove { name } => {
                self.services.remove(name);
            }
        }
        self
    }

    /// The nodes with the label of a service: one, if nobody meddled.
    #[must_use]
    pub fn nodes_of(&self, name: &str) -> BTreeSet<Name> {
        self.labels.iter().filter(|(_, of)| of == name).map(|(node, _)| node.clone()).collect()
    }

    /// Who has a port that `service` needs on its node, other than `name` itself.
    pub(super) fn in_the_way(&self, name: &str, service: &Rendered) -> Option<&str> {
        let others = self.services.iter().filter(|(other, _)| other.as_str() != name);
        let takes = |(other, running): &(&String, &Running)| {
            !running.ports.is_disjoint(&service.ports)
                && self.labels.contains(&(service.node.clone(), (*other).clone()))
        };
        others.into_iter().find(takes).map(|(other, _)| other.as_str())
    }

    /// How many instances of a service are ready, leaving one name out.
    #[must_use]
    pub fn ready_besides(&self, service: Service, name: &str) -> usize {
        let is_of = |(other, running): &(&String, &Running)| {
            running.service == Some(service) && running.is_ready && other.as_str() != name
        };
        self.services.iter().filter(is_of).count()
    }
}
