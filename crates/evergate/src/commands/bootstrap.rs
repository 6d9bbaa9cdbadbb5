//! `evergate bootstrap`: what an instance must know before it can ask.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::api_client::segment;
use evergate_process::files;

use crate::api_client::Target;

/// The arguments of `evergate bootstrap`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evergate bootstrap policy2 -o policy2.json")]
pub struct BootstrapArguments {
    /// The instance
    instance: String,
    /// Where the file is written, readable by its owner only
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn bootstrap(arguments: &BootstrapArguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    let answer = client
        .post(&format!("/instances/{}/bootstrap", segment(&arguments.instance)), &serde_json::json!({}))
        .await?;
    let mut text = serde_json::to_vec_pretty(&answer)?;
    text.push(b'\n');
    files::write_private(&arguments.output, &text)
        .with_context(|| format!("cannot write `{}`", arguments.output.display()))?;
    let file = serde_json::json!({ "file": arguments.output });
    arguments.target.done(&file, &format!("wrote `{}`; it holds a private key", arguments.output.display()))
}
