//! From `evergate up` on one machine to all ready on three and at the edge: what a person types, how long it takes, and the
//! one pause.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::time::Instant;

use super::commands::word;
use super::{CONSOLE, PORT, SWARM, SwarmScene};
use crate::balancer::Balancer;
use crate::client::Way;
use crate::installation::Up;

/// Lines of `network.yml` at most.
const LINES: usize = 30;
/// Commands for three machines of a swarm.
const COMMANDS: usize = 6;

/// What growing took.
#[derive(Debug, Clone)]
pub struct Growth {
    /// What a person typed until three machines were one installation.
    pub commands: Vec<String>,
    /// From the first of them until all was ready, the edge host included.
    pub took: Duration,
    /// Lines of `network.yml`.
    pub lines: usize,
    /// How long nothing was served, as `init` says.
    pub pause: Duration,
}

impl SwarmScene {
    /// Makes the swarm, takes the two other machines in, deploys, starts the access point at the edge behind a firewall
    /// that lets through what was printed, and HAProxy in front.
    ///
    /// # Errors
    /// When a command fails, or not all becomes ready, or whoever was signed in is not any more.
    pub async fn grow(&mut self) -> Result<Growth> {
        let url = self.scene.installation.scratch().join("database-url");
        std::fs::write(url, self.database.url())?;
        let started = Instant::now();
        let pause = self.bring_along().await?;
        self.take_in_the_others().await?;
        let deployed = self.cluster("node-a", &["deploy"]).await?;
        let commands = self.typed.clone();
        self.open_what_is_printed(&deployed).await?;
        self.start_the_edge().await?;
        self.put_the_balancer_in_front().await?;
        self.settled().await?;
        let growth =
            Growth { commands, took: started.elapsed(), lines: self.network.text().lines().count(), pause };
        growth.print();
        self.who_was_signed_in_still_is().await?;
        Ok(growth)
    }

    /// What ran under `evergate up` goes on in a swarm of the first machine; for how long nothing answered.
    pub(super) async fn bring_along(&mut self) -> Result<Duration> {
        self.write()?;
        let before = self.scene.installation.read()?;
        let home = self.home().display().to_string();
        let made = self.cluster("node-a", &["init", "--node", "node-a", "--from", &home]).await?;
        let pause = made["pause_ms"].as_u64().with_context(|| format!("no pause in {made}"))?;
        let status = self.scene.installation.ended().await?;
        ensure!(status.success(), "`evergate up` ended with {status}: {}", self.scene.installation.said());
        self.scene.installation.moved(moved(&before), self.hosts.own_address());
        Ok(Duration::from_millis(pause))
    }

    async fn take_in_the_others(&mut self) -> Result<()> {
        let answer = self.cluster("node-a", &["join-token"]).await?;
        let manager = format!("{}:{SWARM}", self.nodes.a.address());
        ensure!(word(&answer, "manager")? == manager, "the manager is {answer}");
        std::fs::write(self.token_file(), word(&answer, "token")?)?;
        let file = self.token_file().display().to_string();
        let mut accept = vec!["accept".to_owned()];
        for node in ["node-b", "node-c"] {
            let words = ["join", &manager, "--token-file", &file, "--yes"];
            let answer = self.cluster(node, &words).await?;
            let own = self.nodes.of(node)?.address().to_string();
            ensure!(word(&answer, "address")? == own, "{node} is not at {answer}");
            accept.push(format!("{node}={}", word(&answer, "id")?));
            // Joined is not accepted.
            self.nothing_runs_on(self.nodes.of(node)?).await?;
        }
        let accept: Vec<&str> = accept.iter().map(String::as_str).collect();
        self.cluster("node-a", &accept).await.map(drop)
    }

    /// What the other machines join by.
    pub(super) fn token_file(&self) -> PathBuf {
        self.scene.installation.scratch().join("join.token")
    }

    async fn put_the_balancer_in_front(&mut self) -> Result<()> {
        let (second, third) = (self.nodes.c.address(), self.nodes.edge.address());
        let at = |address| SocketAddr::from((address, PORT));
        let servers = [("access-point2", at(second)), ("access-point3", at(third))];
        let local_ca = self.scene.installation.read()?.local_ca;
        let balancer = Balancer::haproxy_at(self.front(), servers, &local_ca, self.way())?;
        for (name, _) in servers {
            balancer.takes_within(name, "UP", Duration::from_secs(60)).await?;
        }
        self.balancer = Some(balancer);
        Ok(())
    }

    /// Both resources, with the cookies from before there was a swarm, by way of HAProxy and by the manager's own access
    /// point; and nobody without them.
    async fn who_was_signed_in_still_is(&self) -> Result<()> {
        for way in [self.way(), self.way_to(self.nodes.a.address())] {
            self.is_signed_in_by(way).await?;
        }
        let status: Value = self.status().await?;
        ensure!(status["active"] == "administration1", "{} leads administration", status["active"]);
        Ok(())
    }

    pub(super) async fn is_signed_in_by(&self, way: Way) -> Result<()> {
        let mut client = self.scene.client().twin()?.by(way);
        for name in ["cached", "uncached"] {
            let answer = client.get(&self.scene.installation.url(name)).await?;
            let is_page = answer.status.is_success() && answer.body.len() == 1024;
            ensure!(is_page, "{name} by {way:?}: {} {}", answer.status, answer.text());
        }
        let mut nobody = self.scene.installation.client()?.by(way);
        let answer = nobody.get(&self.scene.installation.url("uncached")).await?;
        ensure!(answer.status.is_redirection(), "nobody gets {} {}", answer.status, answer.text());
        Ok(())
    }
}

/// What `up.json` would say: everything is reached through the access points.
fn moved(before: &Up) -> Up {
    let console = before.console.clone();
    Up { supervisor: 0, api: vec![format!("{console}api/v1")], instances: Vec::new(), ..before.clone() }
}

impl Growth {
    fn print(&self) {
        let (count, took) = (self.commands.len(), self.took.as_secs_f64() / 60.0);
        println!(
            "from one machine to three and an edge host: {count} commands, {took:.1} minutes, network.yml has {} \
             lines, one pause of {:.1?}",
            self.lines, self.pause
        );
        self.commands.iter().for_each(|command| println!("  {command}"));
    }

    /// Fails where it took more of a person than is aimed at.
    ///
    /// # Errors
    /// With what was too much.
    pub fn is_as_promised(&self) -> Result<()> {
        ensure!(self.commands.len() <= COMMANDS, "{} commands: {:?}", self.commands.len(), self.commands);
        ensure!(self.lines <= LINES, "network.yml has {} lines", self.lines);
        ensure!(!self.pause.is_zero(), "a pause of nothing was not measured");
        Ok(())
    }
}

impl SwarmScene {
    /// The API at a node with administration, without an access point between.
    pub(super) fn api_at(&self, node: &str) -> Result<crate::api::Api> {
        let address = self.nodes.of(node)?.address();
        crate::api::Api::of_node(&self.scene.installation, address, CONSOLE)
    }
}
