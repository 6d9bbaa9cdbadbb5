//! The order of a plan: what is new first, then what changes, one at a time, then what goes; earlier only what stands
//! in the way.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, Running, State, Step};
use crate::render::Rendered;

/// What is left to do with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Add,
    Alter,
    Remove,
}

struct Ordering<'a> {
    wanted: &'a BTreeMap<String, Rendered>,
    now: State,
    left: BTreeMap<String, Left>,
    plan: Plan,
}

/// The steps from `state` to `wanted`.
pub(super) fn order(state: &State, wanted: &BTreeMap<String, Rendered>) -> Plan {
    let mut ordering =
        Ordering { wanted, now: state.clone(), left: left(state, wanted), plan: Plan::default() };
    ordering.prepare();
    while !ordering.left.is_empty() {
        ordering.advance();
    }
    ordering.clean();
    ordering.plan
}

fn left(state: &State, wanted: &BTreeMap<String, Rendered>) -> BTreeMap<String, Left> {
    let mut left = BTreeMap::new();
    for (name, service) in wanted {
        let is_placed = state.nodes_of(name).into_iter().eq([service.node.clone()]);
        match state.services.get(name) {
            None => left.insert(name.clone(), Left::Add),
            Some(running) if !is_placed || !running.is_made_as(service) => {
                left.insert(name.clone(), Left::Alter)
            }
            Some(_) => None,
        };
    }
    let gone = state.services.keys().filter(|name| !wanted.contains_key(*name));
    left.extend(gone.map(|name| (name.clone(), Left::Remove)));
    left
}

impl Ordering<'_> {
    fn step(&mut self, step: Step) {
        self.now = std::mem::take(&mut self.now).after(&step);
        self.plan.steps.push(step);
    }

    /// Labels and secrets that disturb nobody.
    fn prepare(&mut self) {
        let added = |name: &str| self.left.get(name) == Some(&Left::Add);
        let stale = self.now.labels.iter().filter(|(node, name)| {
            let is_wanted = self.wanted.get(name).is_some_and(|service| service.node == *node);
            !self.now.services.contains_key(name) && !is_wanted
        });
        let stale = stale.map(|(node, name)| Step::RemoveLabel { node: node.clone(), name: name.clone() });
        let new =
            self.wanted.iter().filter(|(name, _)| added(name)).map(|(name, service)| (&service.node, name));
        let new = new.filter(|(node, name)| !self.now.labels.contains(&((*node).clone(), (*name).clone())));
        let new = new.map(|(node, name)| Step::AddLabel { node: node.clone(), name: name.clone() });
        let secrets: BTreeSet<&String> = self.wanted.values().flat_map(|service| &service.secrets).collect();
        let secrets = secrets.into_iter().filter(|secret| !self.now.secrets.contains(*secret));
        let secrets = secrets.cloned().map(Step::MakeSecret);
        let steps: Vec<Step> = stale.chain(new).chain(secrets).collect();
        steps.into_iter().for_each(|step| self.step(step));
    }

    /// Takes the next step: the first of these that there is.
    fn advance(&mut self) {
        let next = self
            .first(|this, name, left| left == Left::Add && this.is_free(name))
            .or_else(|| {
                self.first(|this, name, left| {
                    left == Left::Alter && this.is_unready(name) && this.is_free(name)
                })
            })
            .or_else(|| {
                self.first(|this, name, left| left == Left::Alter && this.is_safe(name) && this.is_free(name))
            })
            .or_else(|| {
                self.first(|this, name, left| left == Left::Remove && this.is_safe(name) && this.is_due(name))
            });
        if let Some(name) = next {
            return self.take(&name);
        }
        if let Some(name) = self.worth_waiting_for() {
            return self.step(Step::Await(name));
        }
        // Nothing can be done without an interruption, or two exchange a port.
        if let Some(name) = self.first(|this, name, left| left == Left::Alter && this.is_free(name)) {
            return self.take(&name);
        }
        let blocking = self
            .first(|this, name, left| left != Left::Add && this.is_safe(name) && this.blocks_another(name))
            .or_else(|| self.first(|this, name, left| left != Left::Add && this.blocks_another(name)));
        match blocking {
            Some(name) => self.make_way(&name),
            None => {
                if let Some(name) = self.first(|_, _, _| true) {
                    self.take(&name);
                }
            }
        }
    }

    /// The first that is left of which the claim holds, by service, then by name.
    fn first(&self, claim: impl Fn(&Self, &str, Left) -> bool) -> Option<String> {
        let found = self.left.iter().filter(|(name, left)| claim(self, name, **left));
        let service = |name: &str| {
            let wanted = self.wanted.get(name).map(|service| service.service);
            wanted.or_else(|| self.now.services.get(name).map(|running| running.service))
        };
        found.min_by_key(|(name, _)| (service(name), *name)).map(|(name, _)| name.clone())
    }

    /// Whether nobody has a port that it wants.
    fn is_free(&self, name: &str) -> bool {
        self.wanted.get(name).is_some_and(|service| self.now.in_the_way(name, service).is_none())
    }

    fn is_unready(&self, name: &str) -> bool {
        self.now.services.get(name).is_some_and(|running| !running.is_ready)
    }

    /// Whether it can be stopped while another of its service is ready, or nothing is lost with it.
    fn is_safe(&self, name: &str) -> bool {
        self.now.services.get(name).is_none_or(|running| {
            let Some(service) = running.service else { return false };
            !running.is_ready || self.now.ready_besides(service, name) > 0
        })
    }

    /// What goes, goes last, or when it stands in somebody's way.
    fn is_due(&self, name: &str) -> bool {
        self.left.values().all(|left| *left == Left::Remove) || self.blocks_another(name)
    }

    fn blocks_another(&self, name: &str) -> bool {
        let others = self.left.keys().filter(|other| other.as_str() != name);
        let mut services = others.filter_map(|other| Some((other, self.wanted.get(other)?)));
        services.any(|(other, service)| self.now.in_the_way(other, service) == Some(name))
    }

    /// An instance that stays as it is, is not ready, and would make stopping another safe.
    fn worth_waiting_for(&self) -> Option<String> {
        let stopped = self.left.keys().filter(|name| !self.is_safe(name));
        let stopped = stopped.filter_map(|name| self.now.services.get(name));
        let services: BTreeSet<_> = stopped.filter_map(|running| running.service).collect();
        let helps = |(name, running): &(&String, &Running)| {
            !running.is_ready
                && !self.left.contains_key(*name)
                && running.service.is_some_and(|service| services.contains(&service))
        };
        self.now.services.iter().find(helps).map(|(name, _)| name.clone())
    }

    /// Does what is left with a service.
    fn take(&mut self, name: &str) {
        self.interrupt(name);
        let left = self.left.remove(name);
        let running = self.now.services.get(name);
        let step = match (left, self.wanted.get(name), running) {
            (Some(Left::Add), Some(service), _) => {
                Step::Add { name: name.to_owned(), service: service.clone() }
            }
            (Some(Left::Alter), Some(service), Some(running)) => {
                let from = self.now.nodes_of(name);
                let (name, service) = (name.to_owned(), service.clone());
                if from.iter().eq([&service.node]) {
                    Step::Change { name, service, from: running.image.clone() }
                } else {
                    Step::Move { name, service, from }
                }
            }
            _ => Step::Remove { name: name.to_owned() },
        };
        self.step(step);
    }

    /// Stops who stands in another's way, to be added again, perhaps elsewhere.
    fn make_way(&mut self, name: &str) {
        self.interrupt(name);
        let was = self.left.remove(name);
        self.step(Step::Remove { name: name.to_owned() });
        let Some(service) = self.wanted.get(name).filter(|_| was == Some(Left::Alter)) else { return };
        let node = service.node.clone();
        for old in self.now.nodes_of(name).into_iter().filter(|old| *old != node) {
            self.step(Step::RemoveLabel { node: old, name: name.to_owned() });
        }
        if !self.now.labels.contains(&(node.clone(), name.to_owned())) {
            self.step(Step::AddLabel { node, name: name.to_owned() });
        }
        self.left.insert(name.to_owned(), Left::Add);
    }

    /// Writes down what is without anybody while this one is stopped.
    fn interrupt(&mut self, name: &str) {
        let Some(running) = self.now.services.get(name) else { return };
        match running.service {
            None => self.plan.interrupts_database = true,
            Some(service) if !self.is_safe(name) => {
                self.plan.interrupted.insert(service);
            }
            Some(_) => {}
        }
    }

    /// Labels and secrets that nothing needs any more.
    fn clean(&mut self) {
        let is_wanted = |node: &evergate_model::Name, name: &str| {
            self.wanted.get(name).is_some_and(|of| of.node == *node)
        };
        let labels = self.now.labels.iter().filter(|(node, name)| !is_wanted(node, name));
        let labels = labels.map(|(node, name)| Step::RemoveLabel { node: node.clone(), name: name.clone() });
        let used: BTreeSet<&String> = self.wanted.values().flat_map(|service| &service.secrets).collect();
        let secrets = self.now.secrets.iter().filter(|secret| !used.contains(secret)).cloned();
        let steps: Vec<Step> = labels.chain(secrets.map(Step::RemoveSecret)).collect();
        steps.into_iter().for_each(|step| self.step(step));
    }
}
