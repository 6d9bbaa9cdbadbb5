//! `evergate instance restart`: one at a time, each back in everybody's service before the next.

use std::time::Duration;

use anyhow::bail;
use evergate_cluster::api_client::{ApiClient, segment};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api_client::Target;
use crate::output::{field, items};

const LOOK: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(30);

/// Restarts an instance, or all of them: those first that nobody prefers at the moment, so that each
/// service moves once.
pub(super) async fn restart(target: &Target, client: &ApiClient, only: Option<&str>) -> anyhow::Result<()> {
    let status = client.get("/status").await?;
    let mut chosen: Vec<&Value> = items(&status, "instances").iter().collect();
    match only {
        Some(name) => chosen.retain(|instance| field(instance, "name") == name),
        None => chosen.sort_by_key(|instance| is(instance, "active")),
    }
    if chosen.is_empty() {
        bail!("there is no instance `{}`", only.unwrap_or_default());
    }
    for instance in chosen {
        let name = field(instance, "name");
        let took = one(client, &name, &field(instance, "pid")).await?;
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let told = json!({ "instance": name, "took_ms": milliseconds });
        target.done(&told, &format!("restarted {name} in {:.1} s", took.as_secs_f64()))?;
    }
    Ok(())
}

async fn one(client: &ApiClient, name: &str, pid: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    client.post(&format!("/instances/{}/restart", segment(name)), &json!({})).await?;
    let mut last = String::from("nothing was heard of it");
    while began.elapsed() < LIMIT {
        sleep(LOOK).await;
        // The instance that answers this may be the one that restarts.
        let Ok(status) = client.get("/status").await else { continue };
        match unready(&status, name, pid) {
            None => return Ok(began.elapsed()),
            Some(reason) => last = reason,
        }
    }
    bail!("{name} did not come back within {} s: {last}", LIMIT.as_secs())
}

/// Why the instance's next process is not yet in everybody's service; `None` if it is.
fn unready(status: &Value, name: &str, pid_before: &str) -> Option<String> {
    let Some(instance) = items(status, "instances").iter().find(|instance| field(instance, "name") == name)
    else {
        return Some("it is not listed any more".to_owned());
    };
    if field(instance, "pid") == pid_before {
        return Some("its process is still the one from before".to_owned());
    }
    let state = field(instance, "state");
    if !matches!(state.as_str(), "ready" | "degraded") {
        return Some(format!("it is {state}"));
    }
    let doubts = |link: &&Value| {
        let candidates = link.get("candidates").map_or(&[][..], |candidates| items(candidates, ""));
        candidates
            .iter()
            .any(|candidate| field(candidate, "instance") == name && field(candidate, "state") != "up")
    };
    let doubter = items(status, "links").iter().find(doubts)?;
    Some(format!("{} does not yet take it to be up", field(doubter, "from")))
}

fn is(object: &Value, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_back_when_its_new_process_is_up_for_everybody() {
        let status = |pid: u32, state: &str, candidate: &str| {
            json!({ "instances": [{ "name": "policy1", "pid": pid, "state": state }],
                    "links": [{ "from": "access-point1", "candidates": [{ "instance": "policy1", "state": candidate }] }] })
        };
        let told = |status: Value| unready(&status, "policy1", "7").unwrap_or_default();
        assert!(told(status(7, "ready", "up")).contains("still"));
        assert!(told(status(8, "starting", "up")).contains("starting"));
        assert!(told(status(8, "ready", "down")).contains("access-point1"));
        assert_eq!(unready(&status(8, "ready", "up"), "policy1", "7"), None);
        assert!(unready(&json!({ "instances": [] }), "policy1", "7").is_some());
    }
}
