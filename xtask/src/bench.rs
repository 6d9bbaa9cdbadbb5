//! Authorised requests per second on one core, beside Debian's nginx as a plain TLS proxy.

use anyhow::Result;
use clap::Args;

use crate::workspace::Workspace;

/// How long and how often.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds; in each, both proxies are measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Builds for release and measures; written in `crates/harness/examples/bench.rs`, which has the clients.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let (rounds, seconds) = (options.rounds.to_string(), options.seconds.to_string());
    workspace.run("cargo", &["build", "--release", "--workspace", "--bins", "--example", "bench"])?;
    let program = workspace.target()?.join("release/examples/bench").display().to_string();
    workspace.run(&program, &[&rounds, &seconds])
}
