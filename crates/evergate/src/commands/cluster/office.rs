//! Administration, as a deployment needs it: it is told where everything is, and says whether callers see an instance.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use evergate_cluster::api_client::{ApiClient, segment};
use evergate_cluster::network::Network;
use evergate_cluster::render::{listeners, topology};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::output::items;

/// How often it is asked what is waited for.
const PERIOD: Duration = Duration::from_millis(250);

/// The administration of a running installation.
pub(super) struct Office {
    pub(super) client: ApiClient,
    pub(super) patience: Duration,
    /// Those that are to be there, whose word counts.
    pub(super) instances: BTreeSet<String>,
}

/// Where everything is by `network.yml`, in the words of the API.
fn places(network: &Network) -> anyhow::Result<Value> {
    Ok(json!({
        "topology": serde_json::to_value(topology(network))?,
        "listeners": serde_json::to_value(listeners(network))?,
    }))
}

impl Office {
    /// Whether it says of everything what `network.yml` says.
    pub(super) async fn knows(&self, network: &Network) -> anyhow::Result<bool> {
        let known =
            self.client.get("/topology").await.context("administration does not say where everything is")?;
        Ok(known == places(network)?)
    }

    /// Tells it what is new and what is elsewhere; what goes stays until [`Self::tell`].
    pub(super) async fn announce(&self, network: &Network) -> anyhow::Result<()> {
        let known =
            self.client.get("/topology").await.context("administration does not say where everything is")?;
        let wanted = with_those_that_go(places(network)?, &known);
        if wanted != known {
            self.client
                .put("/topology", &wanted)
                .await
                .context("administration was not told where everything is")?;
        }
        Ok(())
    }

    /// Tells it that everything is as `network.yml` says; whether that is new to it.
    pub(super) async fn tell(&self, network: &Network) -> anyhow::Result<bool> {
        let wanted = places(network)?;
        let told = self.client.put("/topology", &wanted).await;
        let told = told.context("administration was not told where everything is")?;
        Ok(told.get("changed") == Some(&Value::Bool(true)))
    }

    /// An instance runs by the bootstrap file with this certificate: what it left behind on another machine is believed
    /// no more.
    pub(super) async fn dismiss_others(&self, name: &str, certificate: &str) -> anyhow::Result<()> {
        let path = format!("/instances/{}/dismiss-others", segment(name));
        let asked = self.client.post(&path, &json!({ "certificate": certificate })).await;
        asked.with_context(|| format!("the other certificates of `{name}` were not dismissed"))?;
        Ok(())
    }

    /// Replaces all internal keys; the old ones are believed until what they signed has expired, in an emergency not at
    /// all.
    pub(super) async fn rotate(&self, is_emergency: bool) -> anyhow::Result<()> {
        let asked = self.client.post("/keys/rotate", &json!({ "emergency": is_emergency })).await;
        asked.context("the keys were not rotated; the machine is still in the swarm")?;
        Ok(())
    }

    /// When the process of an instance began, as far as it is known.
    pub(super) async fn since(&self, name: &str) -> Value {
        let status = self.client.get("/status").await.unwrap_or_default();
        let found = instance(&status, name).and_then(|instance| instance.get("since")).cloned();
        found.unwrap_or_default()
    }

    /// Waits until an instance runs that began later than `before`, and all its callers see it.
    ///
    /// # Errors
    /// What is missing when patience ends.
    pub(super) async fn until_seen(&self, name: &str, before: &Value) -> Result<(), String> {
        self.until(|status| self.unseen(status, name, before)).await
    }

    /// Waits until each of these instances is ready.
    ///
    /// # Errors
    /// What is missing when patience ends.
    pub(super) async fn until_ready(&self, names: &BTreeSet<String>) -> Result<(), String> {
        self.until(|status| names.iter().find_map(|name| self.unseen(status, name, &Value::Null))).await
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// What it said last.
    pub(super) async fn until_answered(&self) -> Result<(), String> {
        self.until(|_| None).await
    }

    fn unseen(&self, status: &Value, name: &str, before: &Value) -> Option<String> {
        unseen(status, name, before, &self.instances)
    }

    async fn until(&self, missing: impl Fn(&Value) -> Option<String>) -> Result<(), String> {
        let end = Instant::now() + self.patience;
        loop {
            let why = match self.client.get("/status").await {
                Ok(status) => missing(&status),
                Err(error) => Some(error.to_string()),
            };
            let Some(why) = why else { return Ok(()) };
            if Instant::now() >= end {
                return Err(why);
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// What a network says, and those that are known and that it does not name.
fn with_those_that_go(mut wanted: Value, known: &Value) -> Value {
    let name = |instance: &Value| instance.get("name").cloned().unwrap_or_default();
    let present = known.pointer("/topology/instances").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut gone = BTreeSet::new();
    if let Some(instances) = wanted.pointer_mut("/topology/instances").and_then(Value::as_array_mut) {
        let stays = |one: &Value| instances.iter().any(|instance| name(instance) == name(one));
        let going: Vec<Value> = present.into_iter().filter(|one| !stays(one)).collect();
        gone.extend(going.iter().filter_map(|one| name(one).as_str().map(str::to_owned)));
        instances.extend(going);
    }
    if let Some(listeners) = wanted.get_mut("listeners").and_then(Value::as_object_mut) {
        let known = known.get("listeners").and_then(Value::as_object).into_iter().flatten();
        let going = known.filter(|(name, _)| gone.contains(name.as_str()));
        listeners.extend(going.map(|(name, sources)| (name.clone(), sources.clone())));
    }
    wanted
}

fn instance<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    items(status, "instances")
        .iter()
        .find(|instance| instance.get("name").and_then(Value::as_str) == Some(name))
}

/// What is missing until an instance serves, and all of `callers` who call it know. Nobody else is believed: whoever was
/// taken over and is to go could keep itself by saying that others are away.
fn unseen(status: &Value, name: &str, before: &Value, callers: &BTreeSet<String>) -> Option<String> {
    // What administration does not know is no instance: the database.
    let instance = instance(status, name)?;
    let state = instance.get("state").and_then(Value::as_str).unwrap_or_default();
    let since = instance.get("since").unwrap_or(&Value::Null);
    if !matches!(state, "ready" | "degraded") || since == before {
        return Some(format!("administration has not heard that `{name}` is ready"));
    }
    let calls = |link: &&Value| {
        let candidates =
            link.get("candidates").map_or(&[][..], |list| list.as_array().map_or(&[][..], Vec::as_slice));
        candidates.iter().any(|candidate| {
            let is = |field: &str, wanted: &str| candidate.get(field).and_then(Value::as_str) == Some(wanted);
            is("instance", name) && !is("state", "up")
        })
    };
    let counts =
        |link: &&Value| link.get("from").and_then(Value::as_str).is_some_and(|from| callers.contains(from));
    let doubter = items(status, "links").iter().filter(counts).find(calls)?;
    let doubter = doubter.get("from").and_then(Value::as_str).unwrap_or_default();
    Some(format!("`{doubter}` does not reach `{name}` yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: &str, since: i64, seen: &str) -> Value {
        json!({
            "instances": [{ "name": "policy2", "state": state, "since": since }],
            "links": [
                { "from": "access-point1", "candidates": [
                    { "instance": "policy1", "state": "down" }, { "instance": "policy2", "state": "up" }] },
                { "from": "authentication1", "candidates": [{ "instance": "policy2", "state": seen }] },
            ],
        })
    }

    #[test]
    fn an_instance_is_seen_when_it_began_anew_is_ready_and_everybody_reaches_it() {
        let callers = BTreeSet::from(["access-point1".to_owned(), "authentication1".to_owned()]);
        let told = |status: Value| unseen(&status, "policy2", &json!(5), &callers).unwrap_or_default();
        assert_eq!(told(status("ready", 6, "up")), "");
        assert_eq!(told(status("degraded", 6, "up")), "");
        assert_eq!(told(status("ready", 5, "up")), "administration has not heard that `policy2` is ready");
        assert_eq!(told(status("starting", 6, "up")), "administration has not heard that `policy2` is ready");
        assert_eq!(told(status("ready", 6, "suspect")), "`authentication1` does not reach `policy2` yet");
        assert_eq!(unseen(&status("ready", 6, "down"), "database", &Value::Null, &callers), None);
        // It is in network.yml no more.
        let others = BTreeSet::from(["access-point1".to_owned()]);
        assert_eq!(unseen(&status("ready", 6, "down"), "policy2", &json!(5), &others), None);
    }

    #[test]
    fn those_that_go_stay_known_until_they_are_gone() {
        let place = |names: &[&str]| {
            let instances: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            let listeners: serde_json::Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), json!([]))).collect();
            json!({ "topology": { "instances": instances, "balanced": [] }, "listeners": listeners })
        };
        let merged = with_those_that_go(place(&["a", "b"]), &place(&["b", "c"]));
        assert_eq!(merged, place(&["a", "b", "c"]));
    }
}
