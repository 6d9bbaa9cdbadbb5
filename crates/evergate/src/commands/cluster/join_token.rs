//! `evergate cluster join-token`: what a machine joins with; the swarm, or the installation where it has no Docker.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::Common;
use crate::failure::Hinted;
use crate::joining;

const EXAMPLES: &str = "Examples:
  evergate cluster join-token
  evergate cluster join-token node-b -o node-b.token";

/// The arguments of `evergate cluster join-token`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct JoinTokenArguments {
    /// The node that a machine without Docker is to be
    #[arg(requires = "output")]
    node: Option<String>,
    /// The file to write for it; whoever has it can be that node, once, within a day
    #[arg(short, long, value_name = "FILE", requires = "node")]
    output: Option<PathBuf>,
    /// For a machine that is to be a manager of the swarm
    #[arg(long, conflicts_with = "node")]
    manager: bool,
}

pub(super) async fn join_token(arguments: &JoinTokenArguments, common: &Common) -> anyhow::Result<()> {
    match (&arguments.node, &arguments.output) {
        (Some(node), Some(file)) => of_plain_machine(node, file, common).await,
        _ => of_swarm(arguments.manager, common).await,
    }
}

async fn of_plain_machine(node: &str, file: &Path, common: &Common) -> anyhow::Result<()> {
    joining::write_token(&common.target.client()?, node, file).await.with_context(|| Hinted {
        text: format!("no token was made for a machine without Docker to be `{node}`"),
        hint: "a machine with Docker joins the swarm by the token that this command prints without NODE"
            .to_owned(),
    })?;
    let how = format!(
        "wrote {}, good once and for a day; carry it to the machine with the network file, and start there:\n  \
         evergate up --network network.yml --node {node} --join {}",
        file.display(),
        file.display()
    );
    common.target.done(&json!({ "node": node, "file": file }), &how)
}

async fn of_swarm(is_manager: bool, common: &Common) -> anyhow::Result<()> {
    let network = common.network()?;
    let line = common.swarm(&network).await?.join_line(is_manager).await?;
    let (token, manager) = (line.token.expose(), &line.manager);
    let docker = format!("docker swarm join --token {token} {manager}");
    let evergate = format!("evergate cluster join {manager} --token-file FILE");
    let text = format!(
        "{token}\n\nWrite this token into a file on the machine that joins, and say there:\n  {evergate}\nor by Docker's own means:\n  {docker}\nWho has the token can join; it gets nothing until it is accepted here (evergate cluster accept)."
    );
    let told = json!({ "token": token, "manager": manager, "docker": docker, "evergate": evergate });
    common.target.done(&told, &text)
}
