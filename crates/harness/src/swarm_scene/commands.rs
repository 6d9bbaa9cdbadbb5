//! `evergate` on a node, as a person there runs it.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::SwarmScene;
use crate::hosts::Host;
use crate::processes;

/// A deployment replaces one service after the other.
const LIMIT: Duration = Duration::from_secs(15 * 60);

impl SwarmScene {
    /// Where `network.yml` is.
    pub(super) fn file(&self) -> PathBuf {
        self.scene.installation.scratch().join("network.yml")
    }

    /// Writes `network.yml` as the scene has it now.
    pub(super) fn write(&self) -> Result<()> {
        std::fs::write(self.file(), self.network.text()).context("cannot write network.yml")
    }

    /// `evergate cluster ... --json` on a node; the JSON. Counted among what a person types.
    pub(super) async fn cluster(&mut self, node: &str, words: &[&str]) -> Result<Value> {
        let output = self.run_cluster(node, words).await?;
        self.typed.push(format!("{node}: evergate cluster {}", words.join(" ")));
        let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(
            output.status.success(),
            "`evergate cluster {}` on {node}: {}\n{said}{told}",
            words.join(" "),
            output.status
        );
        serde_json::from_str(&told).with_context(|| {
            format!("`evergate cluster {}` on {node} printed {told}\n{said}", words.join(" "))
        })
    }

    /// The same for a command that is to be refused: what it says.
    pub(super) async fn refused(&self, node: &str, words: &[&str]) -> Result<String> {
        let output = self.run_cluster(node, words).await?;
        let words = words.join(" ");
        ensure!(!output.status.success(), "`evergate cluster {words}` on {node} is not refused");
        ensure!(
            output.status.code().is_some_and(|code| code < 100),
            "`evergate cluster {words}`: {}",
            output.status
        );
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    async fn run_cluster(&self, node: &str, words: &[&str]) -> Result<Output> {
        self.run_cluster_on(self.nodes.of(node)?, words).await
    }

    pub(super) async fn run_cluster_on(&self, host: &Host, words: &[&str]) -> Result<Output> {
        let mut command = self.program(host)?;
        command.arg("cluster").args(words).arg("--network").arg(self.file()).arg("--json");
        // The machines that join have no home of administration.
        if host.name() == "node-a" {
            command.arg("--data").arg(self.home());
        }
        let what = format!("`evergate cluster {}` on {}", words.join(" "), host.name());
        let output = tokio::time::timeout(LIMIT, command.output()).await;
        output.with_context(|| format!("{what}: not within {LIMIT:?}"))?.context(what)
    }

    fn program(&self, host: &Host) -> Result<Command> {
        let mut command = host.command(processes::built("evergate")?)?;
        command.env("HOME", self.scene.installation.scratch());
        command.env("DOCKER_HOST", format!("unix://{}", host.socket().display()));
        Ok(command)
    }
}

/// A text in a JSON answer.
pub(super) fn word<'a>(answer: &'a Value, name: &str) -> Result<&'a str> {
    answer[name].as_str().with_context(|| format!("there is no `{name}` in {answer}"))
}

/// The texts of a list in a JSON answer.
pub(super) fn words(answer: &Value, name: &str) -> Result<Vec<String>> {
    let all = answer[name].as_array().with_context(|| format!("there is no `{name}` in {answer}"))?;
    Ok(all.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect())
}
