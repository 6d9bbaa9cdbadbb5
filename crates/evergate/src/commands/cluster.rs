//! `evergate cluster`: several machines as one installation.

mod join_token;

use clap::{Args, Subcommand};

use join_token::JoinTokenArguments;

/// The arguments of `evergate cluster`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evergate cluster join-token node-b -o node-b.token")]
pub struct ClusterArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the token by which a further machine joins
    JoinToken(JoinTokenArguments),
}

pub(super) async fn cluster(arguments: &ClusterArguments) -> anyhow::Result<()> {
    match &arguments.action {
        Action::JoinToken(arguments) => join_token::join_token(arguments).await,
    }
}
