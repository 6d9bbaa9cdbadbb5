//! `evergate api-token`: what programs show to the API.

use clap::{Args, Subcommand};
use evergate_cluster::api_client::segment;
use serde_json::json;

use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate api-token`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evergate api-token create monitoring --privilege read-status")]
pub struct ApiTokenArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token, and print it this once
    #[command(after_help = "Example:\n  evergate api-token create monitoring --privilege read-status")]
    Create {
        /// What it is for
        name: String,
        /// What it allows, such as `read-status`; may be repeated; without it, all that your own token allows
        #[arg(long, value_name = "PRIVILEGE")]
        privilege: Vec<String>,
    },
    /// List the tokens, without what is secret
    #[command(after_help = "Example:\n  evergate api-token list")]
    List,
    /// Make a token good for nothing
    #[command(after_help = "Example:\n  evergate api-token revoke token_01j...")]
    Revoke {
        /// The token's id
        id: String,
    },
}

pub(super) async fn api_token(arguments: &ApiTokenArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    match &arguments.action {
        Action::Create { name, privilege } => {
            let privileges = Some(privilege).filter(|privilege| !privilege.is_empty());
            let body = json!({ "name": name, "privileges": privileges });
            let answer = client.post("/api-tokens", &body).await?;
            target.show(&answer, |answer| output::field(answer, "token"))
        }
        Action::List => {
            let answer = client.get("/api-tokens").await?;
            let columns = ["id", "name", "privileges", "created_at", "used_at"];
            target.show(&answer, |answer| output::list(answer, "api_tokens", &columns))
        }
        Action::Revoke { id } => {
            let answer = client.delete(&format!("/api-tokens/{}", segment(id))).await?;
            target.done(&answer, &format!("revoked token {id}"))
        }
    }
}
