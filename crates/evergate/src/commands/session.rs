//! `evergate session`: who is signed in, and ending that.

use clap::{Args, Subcommand};
use evergate_cluster::api_client::segment;

use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate session`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evergate session list --user bob\n  evergate session revoke --user bob")]
pub struct SessionArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the sessions that live
    #[command(after_help = "Example:\n  evergate session list")]
    List {
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// End a session, or all of a user's: nothing passes a second later
    #[command(
        after_help = "Examples:\n  evergate session revoke session_01j...\n  evergate session revoke --user bob"
    )]
    Revoke {
        /// The session
        #[arg(required_unless_present = "user")]
        id: Option<String>,
        /// All sessions of this user
        #[arg(long, value_name = "NAME", conflicts_with = "id")]
        user: Option<String>,
    },
}

pub(super) async fn session(arguments: &SessionArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    match &arguments.action {
        Action::List { user } => {
            let filter = user.as_ref().map(|user| format!("?user={}", segment(user)));
            let answer = client.get(&format!("/sessions{}", filter.unwrap_or_default())).await?;
            let columns = ["id", "user", "factors", "client", "opened_at", "active_at", "ends_at"];
            target.show(&answer, |answer| output::list(answer, "sessions", &columns))
        }
        Action::Revoke { id: Some(id), .. } => {
            let answer = client.delete(&format!("/sessions/{}", segment(id))).await?;
            target.done(&answer, &format!("ended session {id}"))
        }
        Action::Revoke { user, .. } => {
            let user = user.as_deref().unwrap_or_default();
            let answer = client.delete(&format!("/users/{}/sessions", segment(user))).await?;
            target.show(&answer, |answer| {
                format!("ended the sessions of {user}: {}", output::field(answer, "revoked"))
            })
        }
    }
}
