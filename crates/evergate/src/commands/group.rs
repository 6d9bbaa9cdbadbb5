//! `evergate group`: what users have in common.

use clap::{Args, Subcommand};
use evergate_cluster::api_client::segment;
use serde_json::json;

use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate group`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evergate group add staff\n  evergate group members staff --add bob")]
pub struct GroupArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a group
    #[command(after_help = "Example:\n  evergate group add staff")]
    Add {
        /// The group
        name: String,
    },
    /// List the groups
    #[command(after_help = "Example:\n  evergate group list")]
    List,
    /// Remove a group; its members stay users
    #[command(after_help = "Example:\n  evergate group remove staff")]
    Remove {
        /// The group
        name: String,
    },
    /// List the members of a group, after adding and removing some
    #[command(
        after_help = "Examples:\n  evergate group members staff\n  evergate group members staff --add bob --remove eve"
    )]
    Members {
        /// The group
        name: String,
        /// A user to add; may be repeated
        #[arg(long, value_name = "USER")]
        add: Vec<String>,
        /// A user to remove; may be repeated
        #[arg(long, value_name = "USER")]
        remove: Vec<String>,
    },
}

pub(super) async fn group(arguments: &GroupArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    let at = |name: &str| format!("/groups/{}", segment(name));
    match &arguments.action {
        Action::Add { name } => {
            let answer = client.post("/groups", &json!({ "name": name })).await?;
            target.done(&answer, &format!("added group {name}"))
        }
        Action::List => {
            let answer = client.get("/groups").await?;
            target.show(&answer, |answer| output::list(answer, "groups", &["name", "members"]))
        }
        Action::Remove { name } => {
            target.done(&client.delete(&at(name)).await?, &format!("removed group {name}"))
        }
        Action::Members { name, add, remove } => {
            let member = |user: &str| format!("{}/members/{}", at(name), segment(user));
            for user in add {
                client.put(&member(user), &json!({})).await?;
            }
            for user in remove {
                client.delete(&member(user)).await?;
            }
            let answer = client.get(&format!("{}/members", at(name))).await?;
            target.show(&answer, |answer| {
                let names = output::items(answer, "members").iter();
                let names: Vec<&str> = names.filter_map(serde_json::Value::as_str).collect();
                if names.is_empty() { "no members".to_owned() } else { names.join("\n") }
            })
        }
    }
}
