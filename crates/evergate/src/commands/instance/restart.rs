//! `evergate instance restart`: one at a time, each back in everybody's service before the next.

use std::time::Duration;

use anyhow::{Context, bail};
use evergate_cluster::api_client::{ApiClient, ApiError, segment};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api_client::Target;
use crate::failure::hinted;
use crate::output::{field, items};

const LOOK: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(60);
/// A caller looks at each of its peers so often that after this it has seen the new process.
const SEEN_AFTER: i64 = 500;

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
        let took = one(client, &name).await?;
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let told = json!({ "instance": name, "took_ms": milliseconds });
        target.done(&told, &format!("restarted {name} in {:.1} s", took.as_secs_f64()))?;
    }
    Ok(())
}

async fn one(client: &ApiClient, name: &str) -> anyhow::Result<Duration> {
    let pid = pid(&until_another_serves(client, name).await?, name);
    let began = Instant::now();
    ask(client, name, began).await?;
    let mut last = String::from("nothing was heard of it");
    while began.elapsed() < LIMIT {
        sleep(LOOK).await;
        // The instance that answers this may be the one that restarts.
        let Ok(status) = client.get("/status").await else { continue };
        match unready(&status, name, &pid) {
            None => return Ok(began.elapsed()),
            Some(reason) => last = reason,
        }
    }
    bail!("{name} did not come back within {} s: {last}", LIMIT.as_secs())
}

/// Waits until an instance of the same service can take over; answers the status that says so. Where
/// it is the only one of its service, nobody can, and whoever restarts it knows.
async fn until_another_serves(client: &ApiClient, name: &str) -> anyhow::Result<Value> {
    let began = Instant::now();
    loop {
        let reason = match client.get("/status").await {
            Ok(status) => match irreplaceable(&status, name) {
                None => return Ok(status),
                Some(reason) => reason,
            },
            Err(error) => error.to_string(),
        };
        if began.elapsed() >= LIMIT {
            let text = format!("{name} is not restarted, nobody would take over: {reason}");
            return Err(hinted(text, "see `evergate status`"));
        }
        sleep(LOOK).await;
    }
}

fn pid(status: &Value, name: &str) -> String {
    let instance = items(status, "instances").iter().find(|instance| field(instance, "name") == name);
    instance.map_or_else(String::new, |instance| field(instance, "pid"))
}

/// Why nobody would take over from the instance; `None` if somebody would, or nobody ever could.
fn irreplaceable(status: &Value, name: &str) -> Option<String> {
    let instances = items(status, "instances");
    let service = field(instances.iter().find(|instance| field(instance, "name") == name)?, "service");
    let of_service =
        |instance: &&Value| field(instance, "service") == service && field(instance, "name") != name;
    let others: Vec<&Value> = instances.iter().filter(of_service).collect();
    let is_used = |other: &&Value| is_serving(other) && doubter(status, &field(other, "name")).is_none();
    if others.is_empty() || others.iter().any(is_used) {
        return None;
    }
    let told = others.iter().map(|other| match doubter(status, &field(other, "name")) {
        Some(caller) if is_serving(other) => {
            format!("{caller} does not take {} to be up", field(other, "name"))
        }
        _ => format!("{} is {}", field(other, "name"), field(other, "state")),
    });
    Some(told.collect::<Vec<_>>().join(", "))
}

fn is_serving(instance: &Value) -> bool {
    matches!(field(instance, "state").as_str(), "ready" | "degraded")
}

/// Who does not take the instance to be up.
fn doubter(status: &Value, name: &str) -> Option<String> {
    items(status, "links").iter().find_map(|link| {
        let candidates = items(link.get("candidates")?, "");
        let candidate = candidates.iter().find(|candidate| field(candidate, "instance") == name)?;
        (field(candidate, "state") != "up").then(|| field(link, "from"))
    })
}

/// Asks for the restart, again and again while nobody can take it: the database may be locked, or
/// administration be moving. To ask twice is to ask once.
async fn ask(client: &ApiClient, name: &str, began: Instant) -> anyhow::Result<()> {
    let path = format!("/instances/{}/restart", segment(name));
    loop {
        match client.post(&path, &json!({})).await {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() < LIMIT && is_passing(&error) => sleep(LOOK).await,
            Err(error) => return Err(error).with_context(|| format!("{name} was not asked to restart")),
        }
    }
}

fn is_passing(error: &ApiError) -> bool {
    error.is(StatusCode::SERVICE_UNAVAILABLE) || matches!(error, ApiError::Unreachable { .. })
}

/// Why the instance's next process is not yet in everybody's service; `None` if it is.
///
/// What a caller said before the new process was there may be of the old one: only what it says
/// afterwards counts.
fn unready(status: &Value, name: &str, pid_before: &str) -> Option<String> {
    let instances = items(status, "instances");
    let Some(instance) = instances.iter().find(|instance| field(instance, "name") == name) else {
        return Some("it is not listed any more".to_owned());
    };
    if field(instance, "pid") == pid_before {
        return Some("its process is still the one from before".to_owned());
    }
    if !is_serving(instance) {
        return Some(format!("it is {}", field(instance, "state")));
    }
    let seen_from = number(instance, "since").unwrap_or_default() + SEEN_AFTER;
    let heard_at = |caller: &str| {
        let caller = instances.iter().find(|instance| field(instance, "name") == caller)?;
        number(caller, "heard_at")
    };
    items(status, "links").iter().find_map(|link| {
        let candidates = items(link.get("candidates")?, "");
        let candidate = candidates.iter().find(|candidate| field(candidate, "instance") == name)?;
        let caller = field(link, "from");
        if heard_at(&caller).is_none_or(|heard_at| heard_at < seen_from) {
            return Some(format!("{caller} has not told yet what it thinks of it"));
        }
        let is_up = field(candidate, "state") == "up";
        (!is_up).then(|| format!("{caller} does not yet take it to be up"))
    })
}

fn number(object: &Value, name: &str) -> Option<i64> {
    object.get(name).and_then(Value::as_i64)
}

fn is(object: &Value, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pid: u32, state: &str, candidate: &str, heard_at: i64) -> Value {
        json!({ "instances": [
                    { "name": "policy1", "pid": pid, "state": state, "since": 10_000 },
                    { "name": "access-point1", "pid": 9, "state": "ready", "heard_at": heard_at }],
                "links": [{ "from": "access-point1", "candidates": [{ "instance": "policy1", "state": candidate }] }] })
    }

    #[test]
    fn an_instance_is_back_when_its_new_process_is_up_for_everybody() {
        let told = |status: Value| unready(&status, "policy1", "7").unwrap_or_default();
        assert!(told(status(7, "ready", "up", 11_000)).contains("still"));
        assert!(told(status(8, "starting", "up", 11_000)).contains("starting"));
        assert!(told(status(8, "ready", "down", 11_000)).contains("access-point1"));
        assert_eq!(unready(&status(8, "ready", "up", 11_000), "policy1", "7"), None);
        assert!(unready(&json!({ "instances": [] }), "policy1", "7").is_some());
    }

    #[test]
    fn what_a_caller_said_before_the_new_process_was_there_does_not_count() {
        let early = status(8, "ready", "up", 10_100);
        assert!(unready(&early, "policy1", "7").unwrap().contains("has not told yet"));
    }

    #[test]
    fn an_instance_is_restarted_only_while_another_serves_in_everybodys_eyes() {
        let status = |other: &str, candidate: &str| {
            json!({ "instances": [
                        { "name": "policy1", "service": "policy", "state": "ready" },
                        { "name": "policy2", "service": "policy", "state": other },
                        { "name": "access-point1", "service": "access-point", "state": "ready" }],
                    "links": [{ "from": "access-point1", "candidates": [{ "instance": "policy2", "state": candidate }] }] })
        };
        assert_eq!(irreplaceable(&status("ready", "up"), "policy1"), None);
        assert_eq!(irreplaceable(&status("silent", "down"), "policy1").unwrap(), "policy2 is silent");
        let doubted = irreplaceable(&status("ready", "suspect"), "policy1").unwrap();
        assert_eq!(doubted, "access-point1 does not take policy2 to be up");
        assert_eq!(irreplaceable(&status("silent", "down"), "access-point1"), None, "it is the only one");
    }
}
