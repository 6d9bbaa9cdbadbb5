//! `evergate rule`: access rules with names, which resources refer to by `rule(NAME)`.

use clap::{Args, Subcommand};
use evergate_cluster::api_client::segment;
use serde_json::{Value, json};

use super::resource::edited;
use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate rule`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evergate rule add staff 'group(\"staff\") and password and totp'")]
pub struct RuleArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a rule, or replace the one of that name
    #[command(after_help = "Example:\n  evergate rule add staff 'group(\"staff\") and password and totp'")]
    Add {
        /// The rule's name
        name: String,
        /// The rule
        rule: String,
        /// Change the draft only; publish it later with `evergate config publish`
        #[arg(long)]
        draft: bool,
    },
    /// List the rules
    #[command(after_help = "Example:\n  evergate rule list")]
    List,
    /// Show one rule
    #[command(after_help = "Example:\n  evergate rule show staff")]
    Show {
        /// The rule
        name: String,
    },
    /// Remove a rule that nothing refers to
    #[command(after_help = "Example:\n  evergate rule remove staff")]
    Remove {
        /// The rule
        name: String,
        /// Change the draft only; publish it later with `evergate config publish`
        #[arg(long)]
        draft: bool,
    },
}

pub(super) async fn rule(arguments: &RuleArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    let at = |name: &str| format!("/rules/{}", segment(name));
    match &arguments.action {
        Action::Add { name, rule, draft } => {
            let path = format!("{}?draft={draft}", at(name));
            let answer = client.put(&path, &json!({ "rule": rule })).await?;
            target.show(&answer, |answer| edited(answer, &format!("rule {name}")))
        }
        Action::List => target.show(&client.get("/rules").await?, listed),
        Action::Show { name } => {
            target.show(&client.get(&at(name)).await?, |answer| output::field(answer, "rule"))
        }
        Action::Remove { name, draft } => {
            let answer = client.delete(&format!("{}?draft={draft}", at(name))).await?;
            target.show(&answer, |answer| edited(answer, &format!("removal of rule {name}")))
        }
    }
}

fn listed(answer: &Value) -> String {
    let rules = answer.get("rules").and_then(Value::as_object).filter(|map| !map.is_empty());
    let Some(rules) = rules else { return "no rules".to_owned() };
    let row =
        |(name, rule): (&String, &Value)| vec![name.clone(), rule.as_str().unwrap_or_default().to_owned()];
    output::table(&["name", "rule"], rules.iter().map(row))
}
