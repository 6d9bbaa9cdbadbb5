//! The managed database of an installation that is being made: it is started before everything else, and filled from
//! the machine that it runs on. Nobody reaches it from outside the swarm's networks but that machine.

use std::path::Path;

use anyhow::Context;
use evergate_cluster::network::Network;
use evergate_cluster::render::{DATABASE, managed_url};
use evergate_cluster::swarm::Swarm;
use evergate_model::Name;

use super::founding::Urls;
use super::inputs::{Source, database_password};
use super::rollout::Rollout;
use crate::failure::hinted;

/// Refuses to make an installation from another machine.
///
/// # Errors
/// When `here` is not the node of the database.
pub(super) fn is_here(node: &str, here: &Name) -> anyhow::Result<()> {
    if node == here.as_str() {
        return Ok(());
    }
    Err(hinted(
        format!(
            "the database is on node `{node}`, and this is node `{here}`: an installation is made on the machine that its database runs on"
        ),
        format!(
            "write `database: {{ managed: {here} }}`, or run this on a manager that is node `{node}`, or name a PostgreSQL by `database: {{ url_file: FILE }}`"
        ),
    ))
}

/// Starts it, unless it runs.
///
/// # Errors
/// When it does not become ready, or is not reached.
pub(super) async fn start(
    network: &Network,
    swarm: &Swarm,
    data: &Path,
    secrets: Option<&Path>,
) -> anyhow::Result<Urls> {
    let source = Source::Founding(data);
    let password = database_password(secrets, &source)?;
    let rollout = Rollout::of_database(network, swarm).await?;
    let contents = rollout.contents(network, secrets, &source).await?;
    let taken = rollout.take(swarm, &contents, None).await;
    taken.context("the managed database does not start; nothing was stopped")?;
    let address = swarm.address_here(DATABASE).await?;
    let address = address.context("the managed database runs, and has no address on this machine")?;
    Ok(Urls {
        told: managed_url(DATABASE, &password),
        from_here: Some(managed_url(&address.to_string(), &password)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_made_where_its_database_runs() {
        let here: Name = "node-a".parse().unwrap();
        assert!(is_here("node-a", &here).is_ok());
        let refused = is_here("node-b", &here).unwrap_err().to_string();
        assert!(
            refused.starts_with("the database is on node `node-b`, and this is node `node-a`: "),
            "{refused}"
        );
    }
}
