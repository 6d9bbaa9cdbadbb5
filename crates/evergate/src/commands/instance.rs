//! `evergate instance`: taking instances out of service and back.

mod restart;

use clap::{Args, Subcommand};
use evergate_cluster::api_client::segment;
use serde_json::json;

use crate::api_client::Target;
use crate::output;

/// The arguments of `evergate instance`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evergate instance show policy1\n  evergate instance restart --all")]
pub struct InstanceArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show one instance
    #[command(after_help = "Example:\n  evergate instance show policy1")]
    Show {
        /// The instance
        name: String,
    },
    /// Give an instance no new work
    #[command(after_help = "Example:\n  evergate instance drain policy1")]
    Drain {
        /// The instance
        name: String,
    },
    /// Give a drained instance work again
    #[command(after_help = "Example:\n  evergate instance resume policy1")]
    Resume {
        /// The instance
        name: String,
    },
    /// Restart an instance once it has finished what it has; no request is lost
    #[command(
        after_help = "Examples:\n  evergate instance restart policy1\n  evergate instance restart --all"
    )]
    Restart {
        /// The instance
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// All instances, one at a time, each on the binary that is on disk now
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Make an administration instance the active one
    #[command(after_help = "Example:\n  evergate instance activate administration2")]
    Activate {
        /// The instance
        name: String,
    },
}

pub(super) async fn instance(arguments: &InstanceArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    let at = |name: &str| format!("/instances/{}", segment(name));
    let (name, order, done) = match &arguments.action {
        Action::Show { name } => return target.show(&client.get(&at(name)).await?, output::record),
        Action::Restart { name, .. } => return restart::restart(target, &client, name.as_deref()).await,
        Action::Drain { name } => (name.as_str(), "drain", "draining"),
        Action::Resume { name } => (name.as_str(), "resume", "resuming"),
        Action::Activate { name } => (name.as_str(), "activate", "activating"),
    };
    let answer = client.post(&format!("{}/{order}", at(name)), &json!({})).await?;
    target.done(&answer, &format!("{done} {name}; see `evergate status`"))
}
