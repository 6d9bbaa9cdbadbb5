//! `evergate cluster plan` and `deploy`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::deployed::Deployed;
use evergate_cluster::network::Network;
use evergate_cluster::plan::Plan;
use evergate_cluster::render::{Opening, openings};
use evergate_cluster::swarm::Swarm;
use evergate_process::files;
use serde_json::{Value, json};

use super::inputs::{self, Source};
use super::office::Office;
use super::rollout::{Rollout, office};
use super::{Common, founding, tell};
use crate::failure::hinted;

const ABOUT: &str = "Bring the swarm to what network.yml says, one service at a time

Each service is waited for until its health check succeeds and all its callers reach it. One that does not get so far
is put back to what it was, and the deployment ends there; run it again when the cause is mended. What is as it should
be is not touched: deploying twice changes nothing.";

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
    let network = common.network_told()?;
    let swarm = common.swarm(&network).await?;
    let rollout = Rollout::of(&network, &swarm).await?;
    let differs = match rollout.is_running() {
        true => !office(common, &network)?.knows(&network).await?,
        false => false,
    };
    let openings = openings(&network);
    let told = as_json(&rollout.plan, differs, &openings);
    common.target.show(&told, |_| for_people(&rollout.plan, differs, &openings))
}

pub(super) async fn deploy(arguments: &DeployArguments, common: &Common) -> anyhow::Result<()> {
    let network = common.network_told()?;
    let swarm = common.swarm(&network).await?;
    let rollout = Rollout::of(&network, &swarm).await?;
    if let Some(output) = &arguments.output {
        let written = files::write_public(output, rollout.file.text.as_bytes());
        written.with_context(|| format!("cannot write `{}`", output.display()))?;
        tell(&format!("wrote {}", output.display()));
    }
    if arguments.dry_run {
        let told = json!({ "changed": [], "file": arguments.output });
        return common.target.done(&told, "nothing was changed");
    }
    rollout.are_accepted(&swarm).await?;
    for line in interruptions(&rollout.plan) {
        tell(&line);
    }
    // Beforehand: what an access point in the dmz does not reach never becomes ready to all its callers.
    let openings = openings(&network);
    firewall(&openings).iter().for_each(|line| tell(line));
    let was_running = rollout.is_running();
    match was_running {
        true => change(arguments, common, &network, &swarm, &rollout).await?,
        false => found(arguments, common, &network, &swarm, &rollout).await?,
    }
    let is_told = finish(common, &network, &swarm, &rollout).await?;
    let openings: Vec<Value> = openings.iter().map(opening).collect();
    let told = json!({ "changed": steps(&rollout.plan), "topology_changed": is_told, "openings": openings });
    common.target.done(&told, &summary(rollout.plan.steps.len(), is_told))
}

/// Of an installation that runs: administration is told first, so that it can issue what is new.
async fn change(
    arguments: &DeployArguments,
    common: &Common,
    network: &Network,
    swarm: &Swarm,
    rollout: &Rollout,
) -> anyhow::Result<()> {
    if rollout.plan.is_empty() {
        return Ok(());
    }
    let office: Office = office(common, network)?;
    office.announce(network).await?;
    let source = Source::Running(&office.client);
    // Before anything is changed: what is missing ends the deployment here.
    let contents = rollout.contents(network, arguments.secrets.as_deref(), &source).await?;
    rollout.take(swarm, &contents, Some(&office)).await?;
    discard(common, rollout)
}

/// Refuses to start what no installation was made for.
fn is_founded(common: &Common, arguments: &DeployArguments) -> anyhow::Result<()> {
    let data = &common.target.data;
    if arguments.secrets.is_some() || Deployed::read(data)?.is_some() {
        return Ok(());
    }
    Err(match founding::is_on_one_machine(data) {
        true => hinted(
            format!(
                "the installation in `{}` is one of `evergate up`, on this machine alone",
                data.display()
            ),
            format!("evergate cluster init --node NODE --from {}: it goes on in the swarm", data.display()),
        ),
        false => hinted(
            format!("no installation was made in `{}`", data.display()),
            "evergate cluster init --node NODE, or say with --data where it is",
        ),
    })
}

/// Of one that does not run yet: `init` has left the files of its instances.
pub(super) async fn found(
    arguments: &DeployArguments,
    common: &Common,
    network: &Network,
    swarm: &Swarm,
    rollout: &Rollout,
) -> anyhow::Result<()> {
    is_founded(common, arguments)?;
    let source = Source::Founding(&common.target.data);
    let contents = rollout.contents(network, arguments.secrets.as_deref(), &source).await?;
    rollout.take_together(swarm, &contents).await?;
    discard(common, rollout)
}

/// What the swarm keeps now, or what was made for a node before it was accepted, nobody needs to find on a disk.
pub(super) fn discard(common: &Common, rollout: &Rollout) -> anyhow::Result<()> {
    for name in rollout.carried() {
        let file = inputs::bootstrap_file(&common.target.data, name);
        let certificate = file.with_file_name("certificate.json");
        for file in [file, certificate] {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove `{}`", file.display()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Administration learns what is there no more; everything is waited for. Whether anything was new to it.
pub(super) async fn finish(
    common: &Common,
    network: &Network,
    swarm: &Swarm,
    rollout: &Rollout,
) -> anyhow::Result<bool> {
    let office = office(common, network)?;
    // Before anything is waited for: what is to be there no more could say that others are not ready, and stay.
    let answered = office.until_answered().await;
    answered.map_err(|why| {
        anyhow::anyhow!("everything was deployed, and administration does not answer: {why}")
    })?;
    let is_told = office.tell(network).await?;
    let waited = office.until_ready(&rollout.names()).await;
    waited.map_err(|why| anyhow::anyhow!("everything was deployed, and not everything is ready: {why}"))?;
    Rollout::dismiss_others(swarm, &office, |_| true).await?;
    Ok(is_told)
}

/// What a person opens in the firewall before the dmz.
fn firewall(openings: &[Opening]) -> Vec<String> {
    let line = |Opening { from, address, port, instance, .. }: &Opening| {
        format!("the firewall must let node `{from}` reach {address}:{port} ({instance})")
    };
    openings.iter().map(line).collect()
}

fn opening(opening: &Opening) -> Value {
    let Opening { from, to, address, port, instance } = opening;
    json!({ "from": from, "to": to, "address": address, "port": port, "instance": instance })
}

fn summary(steps: usize, is_told: bool) -> String {
    match (steps, is_told) {
        (0, false) => "nothing to change: the swarm is what network.yml says".to_owned(),
        (0, true) => "told administration where everything is; the swarm is what network.yml says".to_owned(),
        (1, _) => "1 step taken; the swarm is what network.yml says".to_owned(),
        (count, _) => format!("{count} steps taken; the swarm is what network.yml says"),
    }
}

pub(super) fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

fn as_json(plan: &Plan, differs: bool, openings: &[Opening]) -> Value {
    let interrupted: Vec<&str> = plan.interrupted.iter().map(|service| service.as_str()).collect();
    let openings: Vec<Value> = openings.iter().map(opening).collect();
    json!({
        "steps": steps(plan),
        "topology_differs": differs,
        "interrupted": interrupted,
        "interrupts_database": plan.interrupts_database,
        "openings": openings,
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

fn for_people(plan: &Plan, differs: bool, openings: &[Opening]) -> String {
    if plan.is_empty() && !differs {
        return "nothing to change: the swarm is what network.yml says".to_owned();
    }
    let told = differs.then(|| "tell administration where everything is".to_owned());
    [steps(plan), told.into_iter().collect(), interruptions(plan), firewall(openings)].concat().join("\n")
}
