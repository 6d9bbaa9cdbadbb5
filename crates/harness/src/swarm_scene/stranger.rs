//! A machine that has the join token and calls itself as another does: it gets nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SwarmScene;
use super::commands::word;
use crate::hosts::{Host, Kind};
use crate::memory::{found_in_files, found_in_process};
use crate::until::until;

/// Whom it pretends to be.
const NAME: &str = "node-b";

impl SwarmScene {
    /// A worker joins with the token under the host name of node-b. Nothing comes to it, it cannot be accepted, and it
    /// holds no key.
    ///
    /// # Errors
    /// When it gets anything.
    pub async fn a_stranger_gets_nothing(&mut self) -> Result<()> {
        let stranger = self.hosts.host("stranger", Kind::Engine).await?;
        stranger.run("hostname", &[NAME]).await?;
        let id = self.joins(&stranger).await?;
        let before = self.tasks().await?;
        let told = self.refused("node-a", &["accept", &format!("{NAME}={id}")]).await?;
        ensure!(told.contains(NAME), "it is refused without a word of whom: {told}");
        let line = told.lines().find(|line| line.contains(NAME)).unwrap_or_default();
        println!("whoever accepts a second {NAME} is told: {line}");
        self.cluster("node-a", &["deploy"]).await?;
        ensure!(self.tasks().await? == before, "other tasks run than before the stranger came");
        self.nothing_runs_on(&stranger).await?;
        let labels = ["node", "inspect", "--format", "{{json .Spec.Labels}}", &id];
        let labels = self.nodes.a.docker(&labels).await?;
        ensure!(["{}", "null"].contains(&labels.trim()), "it has the labels {labels}");
        self.holds_no_key(&stranger).await?;
        stranger.docker(&["swarm", "leave"]).await?;
        self.is_gone(&id).await
    }

    /// Joins as a person would; its id. The manager sees it under the other's host name.
    async fn joins(&mut self, stranger: &Host) -> Result<String> {
        let manager = format!("{}:{}", self.nodes.a.address(), super::SWARM);
        let file = self.token_file().display().to_string();
        let words = ["join", &manager, "--token-file", &file, "--yes"];
        let output = self.run_cluster_on(stranger, &words).await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "the token lets in whoever has it: {said}");
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).context(said)?;
        let id = word(&answer, "id")?.to_owned();
        until("the manager sees two of one host name", Duration::from_secs(30), async || {
            let names =
                self.nodes.a.docker(&["node", "ls", "--format", "{{.Hostname}} {{.Status}}"]).await.ok()?;
            (names.lines().filter(|line| *line == format!("{NAME} Ready")).count() == 2).then_some(())
        })
        .await?;
        Ok(id)
    }

    /// No container was ever made there, and the swarm has no task for it.
    pub(super) async fn nothing_runs_on(&self, host: &Host) -> Result<()> {
        let id = host.docker(&["info", "--format", "{{.Swarm.NodeID}}"]).await?;
        let containers = host.docker(&["ps", "--all", "--quiet"]).await?;
        ensure!(containers.trim().is_empty(), "on {} are the containers {containers}", host.name());
        let tasks = self.nodes.a.docker(&["node", "ps", "--quiet", id.trim()]).await?;
        ensure!(tasks.trim().is_empty(), "the swarm gave {} the tasks {tasks}", host.name());
        Ok(())
    }

    /// Neither on its disk nor in the memory of its engine; the search finds them where they are.
    async fn holds_no_key(&self, stranger: &Host) -> Result<()> {
        let secrets = self.secrets().await?;
        let found = found_in_files(stranger.directory(), &secrets)?;
        ensure!(found.is_empty(), "on the disk of the stranger: {found:?}");
        let found = found_in_process(engine_of(stranger)?, &secrets)?;
        ensure!(found.is_empty(), "in the engine of the stranger: {found:?}");
        let found = found_in_process(engine_of(&self.nodes.a)?, &secrets)?;
        ensure!(
            found.contains("wrapping key"),
            "the manager's engine holds the secrets of the swarm: {found:?}"
        );
        Ok(())
    }

    async fn is_gone(&self, id: &str) -> Result<()> {
        until("the swarm lets the stranger go", Duration::from_secs(30), async || {
            self.nodes.a.docker(&["node", "rm", id]).await.ok()
        })
        .await
        .map(drop)
    }
}

/// The engine's process, by its id here.
fn engine_of(host: &Host) -> Result<u32> {
    let is_engine = |pid: &u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim() == "dockerd"
    };
    let found = crate::processes::naming(host.directory()).into_iter().find(is_engine);
    found.with_context(|| format!("no engine runs on {}", host.name()))
}
