//! `evergate keys`: what signs and seals, never the keys themselves.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate keys`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evergate keys list\n  evergate keys rotate")]
pub struct KeysArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the keys: what for, and which is in use
    #[command(after_help = "Example:\n  evergate keys list")]
    List,
    /// Put new keys in place of those in use; nobody is signed out
    #[command(after_help = "Examples:\n  evergate keys rotate\n  evergate keys rotate session-token")]
    Rotate {
        /// Only keys for this purpose, as `list` names it
        name: Option<String>,
        /// Believe the old keys no longer at all: what they signed is refused at once
        #[arg(long)]
        emergency: bool,
    },
}

pub(super) async fn keys(arguments: &KeysArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    let columns = ["service", "purpose", "state", "since", "id"];
    match &arguments.action {
        Action::List => {
            let answer = client.get("/keys").await?;
            target.show(&answer, |answer| output::list(answer, "keys", &columns))
        }
        Action::Rotate { name, emergency } => {
            let body = json!({ "purpose": name, "emergency": emergency });
            let answer = client.post("/keys/rotate", &body).await?;
            target.show(&answer, |answer| output::list(answer, "keys", &columns))
        }
    }
}
