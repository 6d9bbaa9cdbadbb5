//! `evergate status`: which instances there are, how they are, and who calls whom.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::api_client::Target;
use crate::output;

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
            Ok(answer) => arguments.target.show(&answer, for_people)?,
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

fn for_people(answer: &Value) -> String {
    let columns = [
        "name",
        "service",
        "node",
        "priority",
        "state",
        "active",
        "pid",
        "address",
        "configuration",
        "since",
    ];
    let instances = output::list(answer, "instances", &columns);
    let links = output::items(answer, "links").iter().map(link);
    let headings = ["from", "to", "active", "candidates", "failovers", "last"];
    format!("{instances}\n\n{}", output::table(&headings, links))
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
}
