//! `evergate config`: the configuration as a whole.

mod file;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::resource::edited;
use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate config`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evergate config export > configuration.yml\n  evergate config check configuration.yml\n  \
                        evergate config apply configuration.yml -m 'new wiki server'\n  evergate config rollback 12"
)]
pub struct ConfigArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the configuration in force, or a version, or the draft
    #[command(
        after_help = "Examples:\n  evergate config show\n  evergate config show 12\n  evergate config show --draft"
    )]
    Show {
        /// The version
        version: Option<u64>,
        /// The draft
        #[arg(long, conflicts_with = "version")]
        draft: bool,
    },
    /// Print a version as a file that can be applied again
    #[command(after_help = "Example:\n  evergate config export > configuration.yml")]
    Export {
        /// The version; without it, the one in force
        version: Option<u64>,
    },
    /// Replace exactly the sections that a file contains, and publish
    #[command(after_help = "Example:\n  evergate config apply configuration.yml -m 'new wiki server'")]
    Apply {
        /// The file
        file: PathBuf,
        /// Why
        #[arg(short, long, default_value = "")]
        message: String,
        /// Apply it although the configuration was changed since the file's `base:` version
        #[arg(long)]
        force: bool,
        /// Change the draft only; publish it later with `evergate config publish`
        #[arg(long)]
        draft: bool,
    },
    /// Say what is wrong with a file, without changing anything
    #[command(after_help = "Example:\n  evergate config check configuration.yml")]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Show what differs: from the version in force to the draft, from A to the one in force, or from A to B
    #[command(after_help = "Examples:\n  evergate config diff\n  evergate config diff 11 12")]
    Diff {
        /// From this version
        from: Option<u64>,
        /// To this version
        to: Option<u64>,
    },
    /// Publish the draft
    #[command(after_help = "Example:\n  evergate config publish -m 'new wiki server'")]
    Publish {
        /// Why
        #[arg(short, long)]
        message: String,
    },
    /// List the published versions
    #[command(after_help = "Example:\n  evergate config versions")]
    Versions,
    /// Publish an old version anew
    #[command(after_help = "Example:\n  evergate config rollback 12")]
    Rollback {
        /// The version
        version: u64,
        /// Why
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Print each version when it is published, and which instances do not run it yet
    #[command(after_help = "Example:\n  evergate config watch")]
    Watch,
}

pub(super) async fn config(arguments: &ConfigArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    match &arguments.action {
        Action::Show { draft: true, .. } => {
            let answer = client.get("/configuration/draft").await?;
            target.show(&answer, output::record)
        }
        Action::Show { version, .. } if target.json => {
            let path = version.map(|version| format!("/versions/{version}")).unwrap_or_default();
            output::print_json(&client.get(&format!("/configuration{path}")).await?)
        }
        Action::Show { version, .. } => file::export(target, &client, *version).await,
        Action::Export { version } => file::export(target, &client, *version).await,
        Action::Apply { file, message, force, draft } => {
            let options = Map::from_iter([
                ("comment".to_owned(), json!(message)),
                ("force".to_owned(), json!(force)),
                ("draft".to_owned(), json!(draft)),
            ]);
            let answer = file::send(&client, "/configuration/apply", file, options).await?;
            target.show(&answer, |answer| edited(answer, &format!("`{}`", file.display())))
        }
        Action::Check { file } => {
            let answer = file::send(&client, "/configuration/check", file, Map::new()).await?;
            target.show(&answer, |answer| {
                format!("`{}` can be applied; what it would change:\n{}", file.display(), changes(answer))
            })
        }
        Action::Diff { from, to } => {
            let query = match (from, to) {
                (None, _) => String::new(),
                (Some(from), Some(to)) => format!("?from={from}&to={to}"),
                (Some(from), None) => {
                    let latest = client.get("/configuration").await?;
                    format!("?from={from}&to={}", output::field(&latest, "version"))
                }
            };
            target.show(&client.get(&format!("/configuration/diff{query}")).await?, changes)
        }
        Action::Publish { message } => {
            let answer = client.post("/configuration/publish", &json!({ "comment": message })).await?;
            target.show(&answer, |answer| edited(answer, "the draft"))
        }
        Action::Versions => {
            let answer = client.get("/configuration/versions").await?;
            let columns = ["version", "published_at", "author", "comment", "rollback_of"];
            target.show(&answer, |answer| output::list(answer, "versions", &columns))
        }
        Action::Rollback { version, message } => {
            let body = json!({ "version": version, "comment": message });
            let answer = client.post("/configuration/rollback", &body).await?;
            target.show(&answer, |answer| edited(answer, &format!("version {version}")))
        }
        Action::Watch => watch(target, &client).await,
    }
}

/// What differs, a line for each value.
fn changes(answer: &Value) -> String {
    let changes = output::items(answer, "changes");
    if changes.is_empty() {
        return "nothing differs".to_owned();
    }
    let side = |change: &Value, sign: &str, name: &str| {
        let text = change.get(name).map(|_| output::field(change, name).trim().replace('\n', "\n    "));
        text.map(|text| format!("\n  {sign} {text}")).unwrap_or_default()
    };
    let line = |change: &Value| {
        format!(
            "{}{}{}",
            output::field(change, "place"),
            side(change, "-", "before"),
            side(change, "+", "after")
        )
    };
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

const EVERY: Duration = Duration::from_millis(500);

async fn watch(target: &Target, client: &evergate_cluster::api_client::ApiClient) -> anyhow::Result<()> {
    let mut told = String::new();
    loop {
        let answer = client.get("/status").await?;
        let instances = output::items(&answer, "instances");
        let versions: Vec<String> =
            instances.iter().map(|instance| output::field(instance, "configuration")).collect();
        let latest = versions.iter().filter_map(|version| version.parse::<u64>().ok()).max().unwrap_or(0);
        let behind: Vec<String> = instances
            .iter()
            .zip(&versions)
            .filter(|(_, version)| **version != latest.to_string())
            .map(|(instance, _)| output::field(instance, "name"))
            .collect();
        let text = match behind.as_slice() {
            [] => format!("version {latest}: all instances run it"),
            behind => format!("version {latest}: not yet at {}", behind.join(", ")),
        };
        if text != told {
            target.done(&json!({ "version": latest, "behind": behind }), &text)?;
            told = text;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_by_its_place_with_what_was_and_what_is() {
        let answer = json!({ "changes": [
            { "place": "resources.wiki.rule", "before": "password", "after": "anyone" },
            { "place": "resources.new", "after": { "hosts": ["a", "b"], "rule": "anyone" } },
        ] });
        let expected = "resources.wiki.rule\n  - password\n  + anyone\n\
                        resources.new\n  + hosts  a, b\n    rule   anyone";
        assert_eq!(changes(&answer), expected);
        assert_eq!(changes(&json!({ "changes": [] })), "nothing differs");
    }
}
