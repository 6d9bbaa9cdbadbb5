//! What is asked of this machine: its engine, addresses, disk, ports.

use std::collections::BTreeSet;
use std::error::Error;
use std::process::Stdio;
use std::time::Duration;

use evergate_cluster::checks::engine as engines;
use evergate_cluster::checks::machine::Machine;
use evergate_cluster::checks::membership::{self, Membership};
use evergate_cluster::checks::ports::Taken;
use evergate_cluster::checks::{Line, disk as disks, images, probe, quorum};
use evergate_cluster::network::{Network, SwarmRole};
use evergate_cluster::render::{access_point_image, label};
use evergate_cluster::running::Running;
use evergate_cluster::swarm::SwarmError;
use evergate_model::Name;
use tokio::process::Command;

use super::super::{Common, images as made};
use super::{CheckArguments, Here};

/// How long the `docker` command may take to say its version.
const SAYING: Duration = Duration::from_secs(5);

/// What is known of this machine's place.
pub(super) async fn machine(
    network: &Network,
    arguments: &CheckArguments,
    accepted: Option<&str>,
) -> Machine {
    Machine {
        own: probe::addresses(),
        resolved: probe::resolved(network).await,
        accepted: accepted.and_then(|name| name.parse().ok()),
        named: arguments.node.clone(),
    }
}

/// The node that the swarm accepted this machine as, if it is a manager and knows.
pub(super) fn accepted(found: &probe::Found, stack: &Name) -> Option<String> {
    let Membership::Member(member) = &found.membership else { return None };
    let (_, labels, _) = found.nodes.iter().find(|(id, ..)| *id == member.id)?;
    labels.get(&label(stack.as_str(), "node")).cloned()
}

/// The nodes that the swarm hears of.
pub(super) fn members(found: &probe::Found, stack: &Name) -> BTreeSet<Name> {
    let own = label(stack.as_str(), "node");
    let ready = found.nodes.iter().filter(|(_, _, is_ready)| *is_ready);
    ready.filter_map(|(_, labels, _)| labels.get(&own)?.parse().ok()).collect()
}

/// The engine itself.
pub(super) fn engine(asked: &Result<probe::Found, SwarmError>) -> Vec<Line> {
    match asked {
        Ok(found) => engines::lines(&found.engine),
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            vec![Line::refused("engine", &format!("{error}{cause}"), "systemctl status docker")]
        }
    }
}

/// The space below the engine's directory and the installation's.
pub(super) fn disk(found: Option<&probe::Found>, common: &Common) -> Vec<Line> {
    let space =
        |of, path: &std::path::Path| disks::Space { of, path: path.to_owned(), free: probe::free(path) };
    let engine = found.map(|found| disks::line(&space(disks::ENGINE, &found.engine.root)));
    let data = Some(&common.target.data).filter(|data| data.exists());
    let data = data.map(|data| disks::line(&space(disks::DATA, data)));
    engine.into_iter().chain(data).collect()
}

impl Here<'_> {
    /// What the engine says of the swarm and of images.
    pub(super) async fn of_engine(&mut self, accepted: Option<String>) -> Vec<Line> {
        let Some(found) = &mut self.found else { return Vec::new() };
        let mut is_manager = false;
        if let Membership::Member(member) = &mut found.membership {
            member.accepted = accepted;
            is_manager = member.is_manager;
        }
        let mut lines = membership::lines(&found.membership, self.network, self.own.as_ref());
        lines.extend(found.quorum.as_ref().map(quorum::line));
        let planned = self.own.as_ref().and_then(|own| self.network.nodes().get(own)?.swarm);
        if is_manager || planned == Some(SwarmRole::Manager) {
            lines.push(docker_command().await);
        }
        if let Some(own) = &self.own {
            let made = made::own_reference();
            let made = BTreeSet::from([access_point_image(&made), made]);
            lines.extend(images::lines(&images::wanted(&self.services, own), &found.images, &made));
        }
        lines
    }

    /// Who has ports of this machine.
    pub(super) fn taken(&self) -> Taken {
        let is_member = |found: &probe::Found| matches!(found.membership, Membership::Member(_));
        Taken {
            listening: probe::listening(),
            containers: self.found.as_ref().map(|found| found.containers.clone()).unwrap_or_default(),
            is_running_here: Running::read(&self.common.target.data).is_ok(),
            is_in_swarm: self.found.as_ref().is_some_and(is_member),
        }
    }
}

async fn docker_command() -> Line {
    let mut command = Command::new("docker");
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(SAYING, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            engines::command(Ok(&String::from_utf8_lossy(&output.stdout)))
        }
        Ok(Ok(output)) => engines::command(Err(&output.status.to_string())),
        Ok(Err(error)) => engines::command(Err(&error.to_string())),
        Err(_) => engines::command(Err("it does not end")),
    }
}
