//! A machine is taken out for good: it serves nothing, is in the swarm no more, cannot come back, and the keys are others.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{SWARM, SwarmScene};

/// Who leaves: the worker with one of the two access points behind HAProxy.
const LEAVER: &str = "node-c";

impl SwarmScene {
    /// What network.yml puts on the machine is taken out, and it leaves, under load. What it had of Evergate and of the
    /// swarm is worth nothing.
    ///
    /// # Errors
    /// When a request is lost, or something stays.
    pub async fn a_machine_leaves(&mut self) -> Result<()> {
        let before = self.keys().await?;
        let loads = self.requests()?;
        let refused = self.refused("node-a", &["leave", LEAVER, "--yes"]).await?;
        ensure!(refused.contains("access-point2"), "it is asked to leave with {refused}");
        self.network.without = Some(LEAVER);
        self.write()?;
        self.cluster("node-a", &["deploy"]).await?;
        // It is in network.yml no more, and can leave all the same.
        let left = self.cluster("node-a", &["leave", LEAVER, "--yes"]).await?;
        ensure!(left["left"] == true && left["rotated"] == true, "it left: {left}");
        let again = self.cluster("node-a", &["leave", LEAVER, "--yes"]).await?;
        ensure!(again["left"] == false, "it left twice: {again}");
        let reports = loads.stop().await?;
        reports.print(LEAVER, "leaves under load");
        reports.nothing_lost()?;

        let names = self.nodes.a.docker(&["node", "ls", "--format", "{{.Hostname}}"]).await?;
        let names: BTreeSet<&str> = names.lines().collect();
        ensure!(names == BTreeSet::from(["node-a", "node-b"]), "in the swarm are {names:?}");
        ensure!(self.keys().await? != before, "the keys are those of before: {before:?}");
        self.nodes.c.docker(&["swarm", "leave", "--force"]).await?;
        let token = std::fs::read_to_string(self.token_file())?;
        let manager = format!("{}:{SWARM}", self.nodes.a.address());
        let joined = self.nodes.c.docker(&["swarm", "join", "--token", token.trim(), &manager]).await;
        ensure!(joined.is_err(), "it came back with the token that it had");
        Ok(())
    }

    /// The ids of all internal keys.
    async fn keys(&self) -> Result<BTreeSet<String>> {
        let listed: Value = self.scene.installation.evergate_json(&["keys", "list"]).await?;
        let keys = listed["keys"].as_array().with_context(|| format!("no keys in {listed}"))?;
        Ok(keys.iter().filter_map(|key| key["id"].as_str().map(str::to_owned)).collect())
    }
}
