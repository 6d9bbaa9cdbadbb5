//! `evergate cluster join`: this machine becomes one of a swarm.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::swarm::{Engine, JoinLine, Membership};
use evergate_model::Secret;
use serde_json::json;

use super::{Common, consent, images, tell};
use crate::failure::hinted;

/// How a token of a swarm begins.
const BEGINNING: &str = "SWMTKN-";

const ABOUT: &str = "Let this machine join a swarm

It tells what that stops and loses, and asks. The images of the programs on this machine are loaded into its engine.
Joined, the machine runs nothing of the installation until it is accepted on a manager. No network.yml is needed here;
where there is one that names an image of its own, say --image.";

const EXAMPLE: &str = "Example:\n  evergate cluster join 10.0.0.11:2377 --token-file join.token";

/// The arguments of `evergate cluster join`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLE)]
pub(super) struct JoinArguments {
    /// A manager of the swarm
    #[arg(value_name = "HOST:PORT")]
    manager: String,
    /// The file with the token that `join-token` printed
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The address by which the others reach this machine, if it has several
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// What the images are called in network.yml, if it says
    #[arg(long, value_name = "NAME:TAG")]
    image: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn join(arguments: &JoinArguments, common: &Common) -> anyhow::Result<()> {
    let token = std::fs::read_to_string(&arguments.token_file);
    let token = token.with_context(|| format!("cannot read `{}`", arguments.token_file.display()))?;
    let token = token_in(&token).map(Secret::new).with_context(|| {
        format!("there is no join token in `{}`: it begins with {BEGINNING}", arguments.token_file.display())
    })?;
    let engine = common.engine().await?;
    let reference = arguments.image.clone().unwrap_or_else(images::own_reference);
    match engine.membership().await? {
        Membership::None => {}
        Membership::Member { managers, .. } if managers.contains(&arguments.manager) => {
            images::load(&engine, &reference).await?;
            return report(&engine, common, false).await;
        }
        Membership::Member { managers, .. } => {
            let text = format!("this machine is in the swarm of {} already", managers.join(", "));
            let hint = "leaving it stops everything that it runs here; if that is meant: docker swarm leave";
            return Err(hinted(text, hint));
        }
    }
    tell("Containers that run here by themselves stay as they are; no volume is touched.");
    tell("An installation that runs here under `evergate up` stays one of its own: its data are not moved.");
    consent(arguments.yes, &format!("let this machine join the swarm of {}", arguments.manager))?;
    images::load(&engine, &reference).await?;
    let line = JoinLine { token, manager: arguments.manager.clone() };
    let joined = engine.join(&line, arguments.address.as_deref()).await;
    joined.map_err(|error| {
        let hint = match error.to_string().contains("join token") {
            true => "the token is wrong, or was replaced: evergate cluster join-token on a manager",
            false => "the ports 2377 (tcp), 7946 (tcp, udp) and 4789 (udp) must be open between the machines",
        };
        let text = format!("cannot join the swarm of {}", arguments.manager);
        anyhow::Error::from(error).context(crate::failure::Hinted { text, hint: hint.to_owned() })
    })?;
    report(&engine, common, true).await
}

async fn report(engine: &Engine, common: &Common, has_joined: bool) -> anyhow::Result<()> {
    let Membership::Member { id, address, .. } = engine.membership().await? else {
        anyhow::bail!("the engine is in no swarm: the manager did not take it in");
    };
    let told = json!({ "joined": has_joined, "id": id, "address": address });
    let what = if has_joined { "joined" } else { "nothing to change: this machine is in that swarm" };
    let mut text =
        format!("{what}; on a manager:\n  evergate cluster accept NODE={id}\nThis machine is at {address}.");
    if !has_joined {
        text.push_str(
            "\nIf the manager does not know it, it was taken out: docker swarm leave, and join again.",
        );
    }
    common.target.done(&told, &text)
}

/// The token in what `join-token` has printed, or in a file with it alone.
fn token_in(text: &str) -> Option<String> {
    text.split_whitespace().find(|word| word.starts_with(BEGINNING)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_alone_and_in_all_that_was_printed() {
        assert_eq!(token_in("SWMTKN-1-a-b\n").as_deref(), Some("SWMTKN-1-a-b"));
        let printed =
            "SWMTKN-1-a-b\n\nWrite this token\n  docker swarm join --token SWMTKN-1-a-b 10.0.0.1:2377";
        assert_eq!(token_in(printed).as_deref(), Some("SWMTKN-1-a-b"));
        assert_eq!(token_in("xyz"), None);
    }
}
