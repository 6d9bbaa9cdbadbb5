//! What an operator changes while everything is in use: an instance more, elsewhere, one less; another image and back.

use anyhow::{Result, ensure};

use super::commands::words;
use super::{NetworkFile, SwarmScene};

/// For so many seconds requests go on after each change.
const AFTER: u32 = 3;
/// The tag of the image at first: the program's version.
const FIRST: &str = env!("CARGO_PKG_VERSION");
/// The tag of the other image.
const OTHER: &str = "other";

impl SwarmScene {
    /// policy2 is added, moved and removed again under load.
    ///
    /// # Errors
    /// When a request is lost, or a deployment does not do it.
    pub async fn an_instance_is_added_moved_and_removed(&mut self) -> Result<()> {
        let loads = self.requests()?;
        for node in [Some("node-c"), Some("node-a"), None] {
            let what = node.map_or("removed".to_owned(), |node| format!("put on {node}"));
            let took = self.change(|file| file.policy2 = node).await?;
            let found = self.node_of("policy2").await?;
            ensure!(found.as_deref() == node, "policy2 was {what}, and status has it on {found:?}");
            println!("policy2 {what} in {took:.1?}");
            loads.go_on(AFTER).await?;
        }
        let reports = loads.stop().await?;
        reports.print("policy2 added, moved, removed", "under load");
        reports.nothing_lost()
    }

    /// Another image for everything, or for some, and the first one again, under load.
    ///
    /// # Errors
    /// When a request is lost, or a deployment does not do it.
    pub async fn the_image_is_changed_and_changed_back(&mut self) -> Result<()> {
        for node in ["node-a", "node-b", "node-c"] {
            self.cluster(node, &["image", "--tag", &format!("evergate:{OTHER}")]).await?;
        }
        let (loads, named) = (self.requests()?, self.size.changed);
        for other in [Some((OTHER, named)), None] {
            let took = self.change(|file| file.other_image = other).await?;
            let tasks = self.tasks().await?;
            let is_changed =
                |task: &str| named.is_empty() || named.iter().any(|name| task.contains(&format!("_{name}.")));
            let changed = tasks.values().filter(|task| is_changed(task)).count();
            ensure!(changed >= named.len(), "{named:?} are not all in {tasks:?}");
            let tag = |task: &str| if other.is_some() && is_changed(task) { OTHER } else { FIRST };
            let wrong: Vec<_> =
                tasks.values().filter(|task| !task.ends_with(&format!(":{}", tag(task)))).collect();
            ensure!(wrong.is_empty(), "of the wrong image: {wrong:?}");
            println!("{changed} of the image {} in {took:.1?}", other.map_or(FIRST, |_| OTHER));
            loads.go_on(AFTER).await?;
        }
        let reports = loads.stop().await?;
        reports.print("image changed, and changed back", "under load");
        reports.nothing_lost()
    }

    /// Changes `network.yml`, opens what its plan prints, deploys, waits until all is as it should be; how long it took.
    async fn change(&mut self, edit: impl FnOnce(&mut NetworkFile)) -> Result<std::time::Duration> {
        let started = tokio::time::Instant::now();
        edit(&mut self.network);
        self.write()?;
        let planned = self.cluster("node-a", &["plan"]).await?;
        self.open_also_what_is_printed(&planned).await?;
        let deployed = self.cluster("node-a", &["deploy"]).await?;
        let changed = words(&deployed, "changed")?;
        ensure!(!changed.is_empty(), "there was something to change, and nothing was");
        self.open_what_is_printed(&deployed).await?;
        self.settled().await?;
        self.nothing_is_planned().await?;
        Ok(started.elapsed())
    }

    /// Where status has an instance.
    async fn node_of(&self, instance: &str) -> Result<Option<String>> {
        let status = self.status().await?;
        let mut instances = status["instances"].as_array().into_iter().flatten();
        let found = instances.find(|one| one["name"] == instance);
        Ok(found.and_then(|one| one["node"].as_str()).map(str::to_owned))
    }
}
