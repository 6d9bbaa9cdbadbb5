//! A deployment that has nothing to do does nothing, and the rendered file does the same by hand.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::SwarmScene;
use super::commands::words;
use super::network_file::STACK;

/// For so many seconds it is watched that nothing is replaced.
const WATCHED: u32 = 10;

impl SwarmScene {
    /// `plan` is empty, `deploy` changes nothing, the rendered file deployed by hand replaces no task: nothing is lost.
    ///
    /// # Errors
    /// When anything was changed, or lost.
    pub async fn deploying_again_changes_nothing(&mut self) -> Result<()> {
        let before = self.tasks().await?;
        ensure!(!before.is_empty(), "no task runs");
        let loads = self.requests()?;
        self.nothing_is_planned().await?;
        let deployed = self.cluster("node-a", &["deploy"]).await?;
        let changed = words(&deployed, "changed")?;
        ensure!(changed.is_empty(), "deployed twice, it changed {changed:?}");
        ensure!(self.tasks().await? == before, "deployed twice, other tasks run");

        let file = self.scene.installation.scratch().join("docker-compose.yml").display().to_string();
        self.cluster("node-a", &["deploy", "--dry-run", "-o", &file]).await?;
        let by_hand = ["stack", "deploy", "--resolve-image", "never", "--compose-file", &file, STACK];
        self.nodes.a.docker(&by_hand).await?;
        loads.go_on(WATCHED).await?;
        let after = self.tasks().await?;
        ensure!(after == before, "by hand, {before:#?} became {after:#?}");
        self.nothing_is_planned().await?;
        let reports = loads.stop().await?;
        reports.print("deployed again, and by hand", &format!("{} tasks stay as they are", after.len()));
        reports.nothing_lost()
    }

    /// `evergate cluster plan` has no step.
    pub(super) async fn nothing_is_planned(&mut self) -> Result<()> {
        let planned = self.cluster("node-a", &["plan"]).await?;
        let steps = words(&planned, "steps")?;
        ensure!(steps.is_empty(), "after a deployment there is left to do: {steps:#?}");
        Ok(())
    }

    /// The tasks that are to run, by id, with service and image.
    pub(super) async fn tasks(&self) -> Result<BTreeMap<String, String>> {
        let format = "{{.ID}} {{.Name}} {{.Image}}";
        let ask =
            ["stack", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", format, STACK];
        let told = self.nodes.a.docker(&ask).await?;
        let pairs = told.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(id, task)| (id.to_owned(), task.to_owned())).collect())
    }
}
