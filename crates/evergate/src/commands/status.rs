//! `evergate status`: which instances there are, how they are, and who calls whom.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::api_client::Target;
use crate::output;
use crate::up::{RunningInstance, Up};

/// The arguments of `evergate status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evergate status\n  evergate status --watch\n  evergate status --json")]
pub struct StatusArguments {
    /// Show it again every second until interrupted
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    target: Target,
}

const EVERY: Duration = Duration::from_secs(1);
/// Clears a terminal and goes to its first line (ECMA-48).
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

pub(super) async fn status(arguments: &StatusArguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    loop {
        let answer = client.get("/status").await;
        if arguments.watch && stdout().is_terminal() {
            output::print(CLEAR)?;
        }
        match answer {
            Ok(answer) => arguments.target.show(&with_restarts(answer, &arguments.target), for_people)?,
            // While it is watched, an installation may well be away for a moment.
            Err(error) if arguments.watch => output::print(&format!("{error}"))?,
            Err(error) => return Err(error.into()),
        }
        if !arguments.watch {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// The status with what the supervisor of this machine knows besides: how often each process was
/// started, and how often it was killed because it hung.
fn with_restarts(mut answer: Value, target: &Target) -> Value {
    if let Some(running) = target.server.is_empty().then(|| Up::read(&target.data).ok()).flatten() {
        add_restarts(&mut answer, &running.instances);
    }
    answer
}

fn add_restarts(answer: &mut Value, running: &[RunningInstance]) {
    let instances = answer.get_mut("instances").and_then(Value::as_array_mut).into_iter().flatten();
    for instance in instances.filter_map(Value::as_object_mut) {
        let known = running.iter().find(|known| instance.get("name") == Some(&known.name.as_str().into()));
        if let Some(known) = known {
            instance.insert("starts".to_owned(), known.starts.into());
            instance.insert("kills".to_owned(), known.kills.into());
            instance.insert("last_kill".to_owned(), known.last_kill.clone().into());
        }
    }
}

/// Those that the supervisor had to kill.
fn kills(answer: &Value) -> String {
    let killed =
        |instance: &&Value| instance.get("kills").and_then(Value::as_u64).is_some_and(|kills| kills > 0);
    let line = |instance: &Value| {
        let of = |name| output::field(instance, name);
        format!(
            "\n{} was killed by the supervisor, {} in all; last: {}",
            of("name"),
            of("kills"),
            of("last_kill")
        )
    };
    let lines: String = output::items(answer, "instances").iter().filter(killed).map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

fn for_people(answer: &Value) -> String {
    let columns = [
        "name",
        "service",
        "node",
        "priority",
        "state",
        "active",
        "callers",
        "pid",
        "address",
        "configuration",
        "since",
    ];
    let instances = output::list(&in_words(answer), "instances", &columns);
    let links = output::items(answer, "links").iter().map(link);
    let headings = ["from", "to", "active", "candidates", "failovers", "last"];
    format!("{instances}\n\n{}{}", output::table(&headings, links), kills(answer))
}

/// The answer with words for people. `active` means two things: of the administration instances one
/// leads, by its lease; of the others it is the one that gets most calls. Who is called is another
/// question, also of administration, where callers go by priority: `callers` counts the links.
fn in_words(answer: &Value) -> Value {
    let mut words = answer.clone();
    let instances = words.get_mut("instances").and_then(Value::as_array_mut).into_iter().flatten();
    for instance in instances.filter_map(Value::as_object_mut) {
        let is = |name: &str, word: &str| instance.get(name).and_then(Value::as_str) == Some(word);
        let leads = is("service", "administration") && instance.get("active") == Some(&Value::Bool(true));
        // Browsers choose an access point: no link leads to one.
        let callers =
            if is("service", "access-point") { Value::Null } else { callers(answer, instance).into() };
        if leads {
            instance.insert("active".to_owned(), "leads".into());
        }
        instance.insert("callers".to_owned(), callers);
    }
    words
}

/// How many links send their calls to this instance.
fn callers(answer: &Value, instance: &serde_json::Map<String, Value>) -> usize {
    let [name, service] = ["name", "service"].map(|field| instance.get(field));
    let links = output::items(answer, "links").iter();
    links.filter(|link| link.get("to") == service && link.get("active") == name).count()
}

fn link(link: &Value) -> Vec<String> {
    let candidates = output::items(link.get("candidates").unwrap_or(&Value::Null), "candidates").iter();
    let candidates: Vec<String> = candidates
        .map(|candidate| {
            format!("{} {}", output::field(candidate, "instance"), output::field(candidate, "state"))
        })
        .collect();
    let last = match link.get("last") {
        Some(last) if last.is_object() => format!(
            "{}, {} ms, {}",
            output::field(last, "cause"),
            output::field(last, "took_ms"),
            output::field(last, "at")
        ),
        _ => "-".to_owned(),
    };
    let of = |name| output::field(link, name);
    vec![of("from"), of("to"), of("active"), candidates.join(", "), of("failovers"), last]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn links_are_shown_with_their_candidates_and_their_last_failover() {
        let answer = json!({ "instances": [{ "name": "policy1", "active": true }], "links": [
            { "from": "access-point1", "to": "policy", "active": "policy2", "failovers": 1,
              "candidates": [{ "instance": "policy1", "state": "down" }, { "instance": "policy2", "state": "up" }],
              "last": { "cause": "refused", "at": 0, "took_ms": 3 } },
            { "from": "access-point2", "to": "policy", "active": null, "failovers": 0, "candidates": [], "last": null },
        ] });
        let text = for_people(&answer);
        assert!(text.contains("policy1 down, policy2 up"), "{text}");
        assert!(text.contains("refused, 3 ms, 1970-01-01T00:00:00.000Z"), "{text}");
    }

    #[test]
    fn who_leads_and_who_is_called_are_two_columns() {
        let instance =
            |name: &str, active: bool| json!({ "name": name, "service": "administration", "active": active });
        let link = |from: &str| json!({ "from": from, "to": "administration", "active": "administration1" });
        let answer = json!({
            "instances": [instance("administration1", false), instance("administration2", true)],
            "links": [link("policy1"), link("policy2")],
        });
        let words = in_words(&answer);
        let of = |place: usize| (&words["instances"][place]["active"], &words["instances"][place]["callers"]);
        assert_eq!(of(0), (&json!(false), &json!(2)));
        assert_eq!(of(1), (&json!("leads"), &json!(0)));
        assert_eq!(answer["instances"][1]["active"], true, "what JSON says stays");
    }

    #[test]
    fn who_was_killed_by_the_supervisor_is_told() {
        let mut answer = json!({ "instances": [{ "name": "policy1" }, { "name": "policy2" }], "links": [] });
        let running = |name: &str, kills: u64| {
            let running = json!({ "name": name, "service": "policy", "priority": 1, "pid": 1, "address": "",
                                  "operations": "", "starts": 2, "kills": kills, "last_kill": "silent for 30s" });
            serde_json::from_value(running).unwrap()
        };
        add_restarts(&mut answer, &[running("policy1", 1), running("policy2", 0)]);
        let text = for_people(&answer);
        assert!(
            text.ends_with("\n\npolicy1 was killed by the supervisor, 1 in all; last: silent for 30s"),
            "{text}"
        );
        assert_eq!(answer["instances"][1]["starts"], 2);
    }
}
