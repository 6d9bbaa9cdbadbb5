//! `evergate cluster join-token`: what is carried to a further machine, so that it may join.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::api_client::Target;
use crate::joining;

/// The arguments of `evergate cluster join-token`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evergate cluster join-token node-b -o node-b.token")]
pub(super) struct JoinTokenArguments {
    /// The node of the network file that the machine is to be
    node: String,
    /// The file to write; whoever has it can be that node, once, within a day
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn join_token(arguments: &JoinTokenArguments) -> anyhow::Result<()> {
    let (node, file, target) = (&arguments.node, &arguments.output, &arguments.target);
    joining::write_token(&target.client()?, node, file).await?;
    let how = format!(
        "wrote {}, good once and for a day; carry it to the machine with the network file, and start there:\n  \
         evergate up --network network.yml --node {node} --join {}",
        file.display(),
        file.display()
    );
    target.done(&json!({ "node": node, "file": file }), &how)
}
