//! When everything is as it should be: every instance ready, every link at the instance that is preferred.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::Instant;

use super::SwarmScene;
use crate::until::until;

/// The services; applications have links, too.
const SERVICES: [&str; 5] = ["administration", "policy", "authentication", "distribution", "access-point"];
/// A node that was dead is taken up by the swarm, its instances start and are preferred after 10 s of being steady.
const LIMIT: Duration = Duration::from_secs(240);

impl SwarmScene {
    /// What `evergate status` shows.
    pub(super) async fn status(&self) -> Result<Value> {
        self.scene.installation.evergate_json(&["status"]).await
    }

    /// Waits until all is as it should be; how long that took.
    pub(super) async fn settled(&self) -> Result<Duration> {
        let started = Instant::now();
        let mut missing = String::from("there was no status");
        let outcome = until("every instance is ready and every preferred one is used", LIMIT, async || {
            let status = match self.status().await {
                Ok(status) => status,
                Err(error) => {
                    missing = format!("{error:#}");
                    return None;
                }
            };
            let left = unsettled(&status);
            missing = left.join("\n");
            left.is_empty().then_some(())
        });
        outcome.await.with_context(|| missing.clone())?;
        Ok(started.elapsed())
    }
}

/// What is not as it should be.
fn unsettled(status: &Value) -> Vec<String> {
    let (instances, links) = (list(status, "instances"), list(status, "links"));
    let mut preferred: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for instance in instances {
        let (service, name) = (text(instance, "service"), text(instance, "name"));
        let own = (instance["priority"].as_u64().unwrap_or(u64::MAX), name);
        let best = preferred.entry(service).or_insert(own);
        *best = own.min(*best);
    }
    let is_ready = |instance: &&Value| ["ready", "degraded"].contains(&text(instance, "state"));
    let away = instances.iter().filter(|instance| !is_ready(instance));
    let mut left: Vec<String> = away
        .map(|instance| {
            format!("{} is {}: {}", text(instance, "name"), text(instance, "state"), instance["reasons"])
        })
        .collect();
    let ours = links.iter().filter(|link| SERVICES.contains(&text(link, "to")));
    let elsewhere = ours
        .clone()
        .filter(|link| preferred.get(text(link, "to")).is_none_or(|(_, name)| *name != text(link, "active")));
    left.extend(elsewhere.map(|link| {
        format!(
            "{} calls {} at {}: {}",
            text(link, "from"),
            text(link, "to"),
            link["active"],
            link["candidates"]
        )
    }));
    let callers: BTreeSet<&str> = ours.map(|link| text(link, "from")).collect();
    let silent =
        instances.iter().map(|instance| text(instance, "name")).filter(|name| !callers.contains(name));
    left.extend(silent.map(|name| format!("{name} reports no link")));
    left
}

/// What status lacks to show that a node is away: who still sends calls there, or takes an instance there to be up, or
/// does not say whom it calls. Those on the node itself are not asked.
pub(super) fn still_trusts(status: &Value, node: &str) -> Vec<String> {
    let (on_node, elsewhere): (Vec<&Value>, Vec<&Value>) =
        list(status, "instances").iter().partition(|instance| text(instance, "node") == node);
    let on_node: BTreeSet<&str> = on_node.iter().map(|instance| text(instance, "name")).collect();
    let trusts = |link: &&Value| {
        let mut candidates = list(link, "candidates").iter();
        on_node.contains(text(link, "active"))
            || candidates.any(|one| on_node.contains(text(one, "instance")) && text(one, "state") == "up")
    };
    let mut left = Vec::new();
    for caller in elsewhere.iter().map(|instance| text(instance, "name")) {
        let is_of_caller =
            |link: &&Value| text(link, "from") == caller && SERVICES.contains(&text(link, "to"));
        let links: Vec<&Value> = list(status, "links").iter().filter(is_of_caller).collect();
        if links.is_empty() {
            left.push(format!("{caller} does not say whom it calls"));
        }
        let trusting = links.into_iter().filter(trusts);
        left.extend(trusting.map(|link| {
            format!("{caller} calls {}: {} {}", text(link, "to"), link["active"], link["candidates"])
        }));
    }
    left
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(state: &str, active: &str, candidate: &str) -> Value {
        json!({
            "instances": [
                { "name": "policy1", "service": "policy", "node": "node-b", "priority": 1, "state": state },
                { "name": "policy2", "service": "policy", "node": "node-a", "priority": 2, "state": "ready" },
            ],
            "links": [
                { "from": "policy1", "to": "policy", "active": "policy1", "candidates": [] },
                { "from": "policy2", "to": "policy", "active": active,
                  "candidates": [{ "instance": "policy1", "state": candidate }] },
                { "from": "policy2", "to": "wiki", "active": null, "candidates": [] },
            ],
        })
    }

    #[test]
    fn it_is_settled_when_all_are_ready_and_the_preferred_are_used() {
        assert_eq!(unsettled(&status("ready", "policy1", "up")), [""; 0]);
        assert!(unsettled(&status("silent", "policy1", "up"))[0].starts_with("policy1 is silent"));
        assert!(unsettled(&status("ready", "policy2", "up"))[0].starts_with("policy2 calls policy"));
    }

    #[test]
    fn a_node_is_seen_to_be_away_when_nobody_elsewhere_takes_it_to_be_up() {
        assert!(still_trusts(&status("ready", "policy2", "down"), "node-b").is_empty());
        assert_eq!(still_trusts(&status("ready", "policy2", "up"), "node-b").len(), 1);
        assert_eq!(still_trusts(&status("ready", "policy1", "suspect"), "node-b").len(), 1);
        let mut silent = status("ready", "policy2", "down");
        silent["links"] = json!([]);
        assert_eq!(still_trusts(&silent, "node-b"), ["policy2 does not say whom it calls"]);
    }
}
