//! What the engines and the instances have to say when something failed.

use anyhow::{Context, Result};

use super::SwarmScene;
use super::network_file::STACK;
use crate::hosts::Host;

/// So many lines of each container.
const LINES: &str = "12";

impl SwarmScene {
    /// The outcome; an error with all that is known besides.
    ///
    /// # Errors
    /// When `outcome` is one.
    pub async fn explained<T>(&self, outcome: Result<T>) -> Result<T> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => {
                let told = self.told().await;
                Err(error).with_context(|| format!("{told}\n=== what failed"))
            }
        }
    }

    async fn told(&self) -> String {
        let mut text = String::from("=== status\n");
        let status = self.scene.installation.evergate(&["status"]).await;
        text += &status.unwrap_or_else(|error| format!("{error:#}\n"));
        for words in [
            &["node", "ls"][..],
            &["service", "ls"],
            &[
                "stack",
                "ps",
                "--no-trunc",
                "--format",
                "{{.Name}} {{.Image}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}",
                STACK,
            ],
        ] {
            text += &format!("=== docker {} {}\n", words[0], words[1]);
            text += &self.nodes.a.docker(words).await.unwrap_or_else(|error| format!("{error:#}\n"));
        }
        for node in self.nodes.engines().into_iter().filter(|node| node.is_up()) {
            text += &containers(node).await;
        }
        let log = std::fs::read_to_string(self.edge_log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        format!("{text}=== access point on edge-1\n{}", last.join("\n"))
    }
}

/// All containers of a node, those that have ended too, with the last that each said.
async fn containers(node: &Host) -> String {
    let format = ["ps", "--all", "--format", "{{.ID}} {{.Names}} {{.Status}}"];
    let all = node.docker(&format).await.unwrap_or_else(|error| format!("{error:#}"));
    let mut text = String::new();
    for line in all.lines() {
        text += &format!("=== {}: {line}\n", node.name());
        let Some((id, _)) = line.split_once(' ') else { continue };
        text += &said(node, id).await;
    }
    text
}

/// Docker gives what a container said to standard error as its own standard error.
async fn said(node: &Host, id: &str) -> String {
    let script = format!("docker --host unix://{} logs --tail {LINES} {id} 2>&1", node.socket().display());
    node.run("sh", &["-c", &script]).await.unwrap_or_else(|error| format!("{error:#}\n"))
}
