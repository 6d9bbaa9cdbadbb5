//! One way from what a swarm runs to what `network.yml` says: step by step, each waited for until callers see it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use evergate_cluster::network::Network;
use evergate_cluster::plan::{Plan, State, Step};
use evergate_cluster::render::{ComposeFile, Inputs, render};
use evergate_cluster::swarm::{Contents, Swarm, SwarmError};
use evergate_model::{Name, Service};
use serde_json::Value;

use super::inputs::{self, Source};
use super::office::Office;
use super::{Common, tell};

/// What is to be done.
pub(super) struct Rollout {
    pub(super) file: ComposeFile,
    pub(super) plan: Plan,
    inputs: Inputs,
    state: State,
}

impl Rollout {
    /// Compares the swarm with all of `network.yml`.
    pub(super) async fn of(network: &Network, swarm: &Swarm) -> anyhow::Result<Self> {
        Self::narrowed(network, swarm, |file| file).await
    }

    /// Compares the swarm with what `network.yml` says of some nodes.
    pub(super) async fn on(network: &Network, swarm: &Swarm, nodes: &BTreeSet<Name>) -> anyhow::Result<Self> {
        Self::narrowed(network, swarm, |file| file.on_nodes(nodes)).await
    }

    /// Compares the swarm with what `network.yml` says of the managed database.
    pub(super) async fn of_database(network: &Network, swarm: &Swarm) -> anyhow::Result<Self> {
        Self::narrowed(network, swarm, ComposeFile::of_database).await
    }

    async fn narrowed(
        network: &Network,
        swarm: &Swarm,
        narrow: impl FnOnce(ComposeFile) -> ComposeFile,
    ) -> anyhow::Result<Self> {
        let state = swarm.state().await?;
        let inputs = inputs::inputs(network, &state, &swarm.secrets_made().await?);
        let file = narrow(render(network, &inputs)?);
        let plan = Plan::between(&state, &file)?;
        Ok(Self { file, plan, inputs, state })
    }

    /// Whether an installation runs in the swarm, so that its administration is to be asked and told.
    pub(super) fn is_running(&self) -> bool {
        self.state.services.values().any(|running| running.service == Some(Service::Administration))
    }

    /// Before the first step: every node that is to run something was accepted.
    pub(super) async fn are_accepted(&self, swarm: &Swarm) -> anyhow::Result<()> {
        let accepted = accepted(swarm).await?;
        let missing = self.file.services.values().map(|service| &service.node);
        match missing.into_iter().find(|node| !accepted.contains(*node)) {
            Some(node) => Err(SwarmError::NotAccepted(node.clone()).into()),
            None => Ok(()),
        }
    }

    /// The contents of the secrets that it makes.
    pub(super) async fn contents(
        &self,
        network: &Network,
        directory: Option<&Path>,
        source: &Source<'_>,
    ) -> anyhow::Result<Contents> {
        inputs::contents(&self.plan, network, &self.inputs, directory, source).await
    }

    /// Takes the steps, one after the other.
    pub(super) async fn take(
        &self,
        swarm: &Swarm,
        contents: &Contents,
        office: Option<&Office>,
    ) -> anyhow::Result<()> {
        let all = self.plan.steps.len();
        for (number, step) in self.plan.steps.iter().enumerate() {
            tell(&format!("{}/{all} {step}", number + 1));
            let taken = self.step(swarm, step, contents, office).await;
            if let (Err(_), Some(name), Some(office)) = (&taken, started(step), office) {
                // It was put back; what it was to become may have left something on another machine.
                if let Err(error) = Self::dismiss_others(swarm, office, |other| other == name).await {
                    tell(&format!("warning: {error:#}"));
                }
            }
            taken.with_context(|| format!("stopped after {number} of {all} steps"))?;
        }
        Ok(())
    }

    /// The same where nothing serves yet: what is new is started at once.
    pub(super) async fn take_together(&self, swarm: &Swarm, contents: &Contents) -> anyhow::Result<()> {
        let is_new = |step: &&Step| matches!(step, Step::Add { .. });
        let new: Vec<&str> = self.plan.steps.iter().filter(is_new).filter_map(started).collect();
        for step in self.plan.steps.iter().filter(|step| !is_new(step)) {
            tell(&step.to_string());
            swarm.take(step, &self.file, contents).await?;
        }
        if !new.is_empty() {
            tell(&format!("start {}", new.join(", ")));
            swarm.add_together(&new, &self.file).await?;
        }
        Ok(())
    }

    async fn step(
        &self,
        swarm: &Swarm,
        step: &Step,
        contents: &Contents,
        office: Option<&Office>,
    ) -> anyhow::Result<()> {
        let watched = started(step).zip(office);
        let before = match watched {
            Some((name, office)) => office.since(name).await,
            None => Value::Null,
        };
        let undo = swarm.take(step, &self.file, contents).await?;
        let (Some((name, office)), Some(undo)) = (watched, undo) else { return Ok(()) };
        if let Err(why) = office.until_seen(name, &before).await {
            let undone = swarm.take_back(undo).await?;
            return Err(SwarmError::NotReady { name: name.to_owned(), why, undone }.into());
        }
        match step {
            // At once, whatever becomes of the steps after it.
            Step::Move { .. } => Self::dismiss_others(swarm, office, |other| other == name).await,
            _ => Ok(()),
        }
    }

    /// Of what runs, only the certificates that came from its present bootstrap file stay admitted: not those that it has
    /// left on other machines, whichever deployment moved it and whether that came to its end.
    pub(super) async fn dismiss_others(
        swarm: &Swarm,
        office: &Office,
        is_meant: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let (state, made) = (swarm.state().await?, swarm.secrets_made().await?);
        for (name, running) in
            state.services.iter().filter(|(name, running)| running.is_ready && is_meant(name))
        {
            let lines = running.secrets.iter().filter_map(|secret| made.get(secret)?.line.as_deref());
            if let [line] = lines.collect::<Vec<_>>().as_slice() {
                office.dismiss_others(name, line).await?;
            }
        }
        Ok(())
    }

    /// The names of all that it is to run.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.file.services.keys().cloned().collect()
    }

    /// The names of the nodes' instances whose secrets exist when it is done.
    pub(super) fn carried(&self) -> impl Iterator<Item = &Name> {
        let is_in = |name: &&Name| self.file.services.contains_key(name.as_str());
        self.inputs.bootstraps.keys().filter(is_in)
    }
}

/// The service that a step starts.
fn started(step: &Step) -> Option<&str> {
    match step {
        Step::Add { name, .. } | Step::Change { name, .. } | Step::Move { name, .. } => Some(name),
        _ => None,
    }
}

/// The nodes of `network.yml` that have a machine.
pub(super) async fn accepted(swarm: &Swarm) -> anyhow::Result<BTreeSet<Name>> {
    let nodes = swarm.nodes().await?;
    Ok(nodes.into_iter().filter_map(|node| node.name?.parse().ok()).collect())
}

/// Administration of the installation that a command is for.
pub(super) fn office(common: &Common, network: &Network) -> anyhow::Result<Office> {
    let names = network.instances().iter().map(|planned| planned.name.to_string());
    Ok(Office {
        client: common.target.client()?,
        patience: Duration::from_secs(common.patience),
        instances: names.collect(),
    })
}
