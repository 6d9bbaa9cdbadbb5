//! `evergate audit`: who did what, and whether the log is whole.

use std::time::Duration;

use clap::{Args, Subcommand};
use evergate_cluster::api_client::segment;
use serde_json::Value;

use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evergate audit --since 1h\n  evergate audit --follow\n  evergate audit verify"
)]
pub struct AuditArguments {
    /// Only what happened since: a moment such as `2026-11-22T09:00:00Z`, or so long ago, such as `1h`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Go on printing what happens
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that no record was changed or taken away
    #[command(after_help = "Example:\n  evergate audit verify")]
    Verify,
}

const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn audit(arguments: &AuditArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    if let Some(Action::Verify) = arguments.action {
        let answer = client.get("/audit/verify").await?;
        target.show(&answer, output::record)?;
        let is_whole = answer.get("intact").and_then(Value::as_bool).unwrap_or_default();
        anyhow::ensure!(is_whole, "the audit log was changed");
        return Ok(());
    }
    let mut after: Option<u64> = None;
    loop {
        let answer = client.get(&path(arguments, after)).await?;
        let records = output::items(&answer, "records");
        if !arguments.follow {
            return target.show(&answer, |answer| {
                output::list(answer, "records", &["number", "at", "actor", "action", "subject", "detail"])
            });
        }
        for record in records {
            target.show(record, line)?;
            after = record.get("number").and_then(Value::as_u64).or(after);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn path(arguments: &AuditArguments, after: Option<u64>) -> String {
    match (after, &arguments.since) {
        (Some(after), _) => format!("/audit?after={after}"),
        (None, Some(since)) => format!("/audit?since={}", segment(since)),
        (None, None) => "/audit".to_owned(),
    }
}

fn line(record: &Value) -> String {
    let of = |name| output::cell(record, name);
    format!("{} {} {} {} {}", of("at"), of("actor"), of("action"), of("subject"), of("detail"))
}
