//! Machines die and are cut off under loads of every kind; nobody does anything but switch them on again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use tokio::time::Instant;

use super::SwarmScene;
use super::settled::still_trusts;
use crate::until::until;

/// Within which `evergate status` shows that a machine is away.
const SEEN: Duration = Duration::from_secs(2);
/// The same for one that is cut off: nobody refuses, all are silent.
const APART: Duration = Duration::from_secs(3);
/// Within which a standby leads administration.
const LEADS: Duration = Duration::from_secs(5);
/// When nobody expects it any more.
const NEVER: Duration = Duration::from_secs(60);

impl SwarmScene {
    /// The worker with the first choices is killed whole and comes back; so is the manager; the worker is cut off. Nothing
    /// is lost, and what was acknowledged happened once.
    ///
    /// # Errors
    /// When something is lost, late, or does not heal.
    pub async fn machines_die_and_are_cut_off(&mut self) -> Result<()> {
        self.settled().await?;
        let loads = self.everything().await?;
        loads.go_on(2).await?;

        self.nodes.b.kill()?;
        let seen = self.sees_that_is_away("node-b").await?;
        loads.go_on(self.size.dead).await?;
        let back = self.switch_on("node-b").await?;
        println!(
            "the worker killed: status shows it after {seen:.1?}; on again, all is as before after {back:.1?}"
        );

        self.nodes.a.kill()?;
        let leads = self.leads("administration2", "node-b").await?;
        loads.go_on(self.size.dead).await?;
        let back = self.switch_on("node-a").await?;
        println!(
            "the manager killed: the standby leads after {leads:.1?}; on again, all is as before after {back:.1?}"
        );

        self.nodes.b.cut_off()?;
        let apart = self.sees_that_is_away("node-b").await?;
        loads.go_on(self.size.cut_off).await?;
        self.nodes.b.heal()?;
        let back = self.settled().await.context("after the worker was reached again")?;
        println!(
            "the worker cut off: status shows it after {apart:.1?}; reached, all is as before after {back:.1?}"
        );

        loads.go_on(2).await?;
        let reports = loads.stop().await?;
        reports.print("a worker and the manager killed, a worker cut off", &format!("{:?}", self.size));
        reports.nothing_lost()?;
        self.scene.happened_once(&reports).await?;
        reports.nobody_waited(self.size.patience)?;
        let promised =
            [("the worker's end", seen, SEEN), ("the cut", apart, APART), ("the standby", leads, LEADS)];
        for (what, took, promised) in promised {
            ensure!(took <= self.patiently(promised), "{what} was seen after {took:.1?}");
        }
        Ok(())
    }

    /// How long it takes from now until `evergate status` shows that a node is away. The command's own time counts: it
    /// is when the person who types it knows.
    async fn sees_that_is_away(&self, node: &str) -> Result<Duration> {
        let started = Instant::now();
        let mut left = Vec::new();
        let what = format!("status shows that {node} is away");
        let outcome = until(&what, NEVER, async || {
            let status = self.status().await.ok()?;
            left = still_trusts(&status, node);
            left.is_empty().then_some(())
        });
        outcome.await.with_context(|| left.join("\n"))?;
        Ok(started.elapsed())
    }

    /// How long it takes from now until an administration instance leads, as it says itself.
    async fn leads(&self, instance: &str, node: &str) -> Result<Duration> {
        let (started, mut api) = (Instant::now(), self.api_at(node)?);
        let mut last = String::new();
        let what = format!("{instance} leads");
        let outcome = until(&what, NEVER, async || match api.call(Method::GET, "/status", None).await {
            Ok(status) if status["active"] == instance => Some(()),
            Ok(status) => {
                last = format!("{} leads", status["active"]);
                None
            }
            Err(error) => {
                last = format!("{error:#}");
                None
            }
        });
        outcome.await.with_context(|| last.clone())?;
        Ok(started.elapsed())
    }

    /// Switches a node on, with its firewall; how long it takes from then until all is as it should be.
    async fn switch_on(&mut self, name: &str) -> Result<Duration> {
        let node = match name {
            "node-a" => &mut self.nodes.a,
            _ => &mut self.nodes.b,
        };
        node.start().await?;
        self.guard(self.nodes.of(name)?).await?;
        self.settled().await.with_context(|| format!("after {name} was switched on again"))
    }
}
