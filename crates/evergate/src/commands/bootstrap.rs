//! `evergate bootstrap`: a new first identity for an instance, in a file to carry to its machine.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::api_client::segment;
use evergate_process::files;
use evergate_process::identity::PeerCertificate;
use serde_json::{Value, json};

use crate::api_client::Target;
use crate::failure::hinted;

/// The arguments of `evergate bootstrap`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evergate bootstrap policy2 -o policy2.json\n  evergate bootstrap access-point3 -o access-point3.json --replace"
)]
pub struct BootstrapArguments {
    /// The instance
    instance: String,
    /// The file to write; whoever has it can pass for the instance
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Believe from now on only who has this file: what runs by an earlier one, here or elsewhere, is cut off at once
    #[arg(long)]
    replace: bool,
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
    let client = target.client()?;
    let made = client.post(&path, &Value::Object(serde_json::Map::new())).await?;
    let text = serde_json::to_vec_pretty(&made)?;
    files::write_private(file, &text).with_context(|| format!("cannot write `{}`", file.display()))?;
    if arguments.replace {
        let certificate = made.get("certificate").and_then(Value::as_str).and_then(PeerCertificate::read_pem);
        let certificate = certificate.context("the certificate in the file cannot be read")?;
        let path = format!("/instances/{}/dismiss-others", segment(&arguments.instance));
        let asked = client.post(&path, &json!({ "certificate": certificate.sha256 })).await;
        asked.with_context(|| {
            format!("{} was written, and the instance is still believed by its earlier files", file.display())
        })?;
    }
    let told = json!({ "instance": arguments.instance, "file": file, "replaced": arguments.replace });
    let how = format!(
        "wrote {}; start the instance with it: evergate run {} --bootstrap {}",
        file.display(),
        arguments.instance,
        file.display()
    );
    target.done(&told, &how)
}
