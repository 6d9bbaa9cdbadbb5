//! `evergate bootstrap`: a new first identity for an instance, in a file to carry to its machine.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::api_client::segment;
use evergate_process::files;
use serde_json::{Value, json};

use crate::api_client::Target;
use crate::failure::hinted;

/// The arguments of `evergate bootstrap`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evergate bootstrap policy2 -o policy2.json")]
pub struct BootstrapArguments {
    /// The instance
    instance: String,
    /// The file to write; whoever has it can pass for the instance
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn bootstrap(arguments: &BootstrapArguments) -> anyhow::Result<()> {
    let (file, target) = (&arguments.output, &arguments.target);
    // Looked at before anything is made: a first certificate is admitted as soon as it is issued.
    if file.exists() {
        let text = format!("`{}` is there already", file.display());
        return Err(hinted(text, "choose another name, or remove the file"));
    }
    let path = format!("/instances/{}/bootstrap", segment(&arguments.instance));
    let made = target.client()?.post(&path, &Value::Object(serde_json::Map::new())).await?;
    let text = serde_json::to_vec_pretty(&made)?;
    files::write_private(file, &text).with_context(|| format!("cannot write `{}`", file.display()))?;
    let told = json!({ "instance": arguments.instance, "file": file });
    let how = format!(
        "wrote {}; start the instance with it: evergate run {} --bootstrap {}",
        file.display(),
        arguments.instance,
        file.display()
    );
    target.done(&told, &how)
}
