//! `evergate cluster plan` and `deploy`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::network::Network;
use evergate_cluster::plan::Plan;
use evergate_cluster::render::{ComposeFile, openings, render};
use evergate_cluster::swarm::Swarm;
use evergate_process::files;
use serde_json::{Value, json};

use super::{Common, inputs, tell};

const ABOUT: &str = "Bring the swarm to what network.yml says, one service at a time

Each service is waited for until its health check succeeds. One that does not become ready is put back to what it
was, and the deployment ends there; run it again when the cause is mended. What is as it should be is not touched:
deploying twice changes nothing.";

const EXAMPLES: &str = "Examples:
  evergate cluster deploy
  evergate cluster deploy --dry-run -o docker-compose.yml";

/// The arguments of `evergate cluster deploy`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub(super) struct DeployArguments {
    /// Change nothing; write the compose file only
    #[arg(long, requires = "output")]
    dry_run: bool,
    /// Write the compose file, which also deploys by hand
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A directory with the bootstrap files of new instances (INSTANCE.json) and the password of a managed database
    /// (database-password); what is not there is asked of administration
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

pub(super) async fn plan(common: &Common) -> anyhow::Result<()> {
    let network = common.network()?;
    let file = rendered(&network)?;
    let swarm = common.swarm(&network).await?;
    let plan = Plan::between(&swarm.state().await?, &file)?;
    common.target.show(&as_json(&plan), |_| for_people(&plan))
}

pub(super) async fn deploy(arguments: &DeployArguments, common: &Common) -> anyhow::Result<()> {
    let network = common.network()?;
    let file = rendered(&network)?;
    if let Some(output) = &arguments.output {
        let written = files::write_public(output, file.text.as_bytes());
        written.with_context(|| format!("cannot write `{}`", output.display()))?;
        tell(&format!("wrote {}", output.display()));
    }
    if arguments.dry_run {
        let told = json!({ "changed": [], "file": arguments.output });
        return common.target.done(&told, "nothing was changed");
    }
    let swarm = common.swarm(&network).await?;
    let plan = Plan::between(&swarm.state().await?, &file)?;
    are_accepted(&swarm, &file).await?;
    for line in interruptions(&plan) {
        tell(&line);
    }
    // Before anything is changed: what is missing ends the deployment here.
    let contents = inputs::contents(&plan, &network, arguments.secrets.as_deref(), &common.target).await?;
    for (number, step) in plan.steps.iter().enumerate() {
        tell(&format!("{}/{} {step}", number + 1, plan.steps.len()));
        let taken = swarm.take(step, &file, &contents).await;
        taken.with_context(|| format!("stopped after {number} of {} steps", plan.steps.len()))?;
    }
    for opening in openings(&network) {
        let (from, address, port) = (&opening.from, &opening.address, opening.port);
        tell(&format!("the firewall must let node `{from}` reach {address}:{port} ({})", opening.instance));
    }
    let text = match plan.steps.len() {
        0 => "nothing to change: the swarm is what network.yml says".to_owned(),
        1 => "1 step taken; the swarm is what network.yml says".to_owned(),
        count => format!("{count} steps taken; the swarm is what network.yml says"),
    };
    common.target.done(&json!({ "changed": steps(&plan) }), &text)
}

fn rendered(network: &Network) -> anyhow::Result<ComposeFile> {
    Ok(render(network, &inputs::inputs(network))?)
}

/// Before the first step: every node that is to run something was accepted.
async fn are_accepted(swarm: &Swarm, file: &ComposeFile) -> anyhow::Result<()> {
    let nodes = swarm.nodes().await?;
    for service in file.services.values() {
        let is_known = nodes.iter().any(|node| node.name.as_deref() == Some(service.node.as_str()));
        if !is_known {
            return Err(evergate_cluster::swarm::SwarmError::NotAccepted(service.node.clone()).into());
        }
    }
    Ok(())
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

fn as_json(plan: &Plan) -> Value {
    let interrupted: Vec<&str> = plan.interrupted.iter().map(|service| service.as_str()).collect();
    json!({
        "steps": steps(plan),
        "interrupted": interrupted,
        "interrupts_database": plan.interrupts_database,
    })
}

fn interruptions(plan: &Plan) -> Vec<String> {
    let services = plan.interrupted.iter();
    let mut lines: Vec<String> = services
        .map(|service| format!("warning: {service} is interrupted: it has no other ready instance"))
        .collect();
    if plan.interrupts_database {
        lines.push("warning: the managed database is stopped for a moment".to_owned());
    }
    lines
}

fn for_people(plan: &Plan) -> String {
    if plan.is_empty() {
        return "nothing to change: the swarm is what network.yml says".to_owned();
    }
    [steps(plan), interruptions(plan)].concat().join("\n")
}
