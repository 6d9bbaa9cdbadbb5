//! Bringing the database up to what is wanted now: topology, resources, port, certificates. One
//! transaction; new snapshots only if anything changed.

use anyhow::Context;
use evergate_model::{Configuration, Timestamp};
use evergate_store::{Actor, Store, Tx, configurations, installation};

use super::SetUp;
use super::files::DEMO_FILE;
use super::identities::{self, Identities};
use crate::vault::Vault;
use crate::{Failure, certificates, configuration, publishing, topology};

/// Does so; the first certificates of instances that have no good one.
pub(super) async fn reconcile(
    store: &Store,
    vault: &Vault,
    wanted: &SetUp,
    now: Timestamp,
) -> anyhow::Result<Identities> {
    let mut tx = store.begin().await?;
    let mut is_changed =
        topology::adopt(&mut tx, &Actor::System, now, &wanted.topology, &wanted.listeners).await?;
    let identities = identities::issue_missing(&mut tx, vault, wanted, now).await?;
    is_changed |= !identities.is_empty();
    let configuration = adopt(&mut tx, wanted, now).await?;
    is_changed |= certificates::provide(&mut tx, vault, now, &configuration.content).await?;
    is_changed |= configuration.is_new;
    let revision = installation::get(&mut tx).await?.ok_or(Failure::Missing("installation"))?.revision;
    if is_changed || revision == 0 {
        publishing::publish_snapshots(&mut tx, vault, now).await?;
    }
    tx.commit().await.context("cannot write the database")?;
    Ok(identities)
}

struct Adopted {
    content: Configuration,
    is_new: bool,
}

/// Publishes a version with the wanted resources that are missing, and the port that browsers use
/// where it is ours to say.
async fn adopt(tx: &mut Tx, wanted: &SetUp, now: Timestamp) -> Result<Adopted, Failure> {
    let (base, present) = configurations::latest(tx).await?.ok_or(Failure::Missing("configuration"))?;
    let mut content = present.clone();
    if content.public_port.is_some() {
        content.public_port = Some(wanted.public_port);
    }
    move_demo(wanted, &mut content);
    for (name, resource) in &wanted.resources {
        content.resources.entry(name.clone()).or_insert_with(|| resource.clone());
    }
    if content == present {
        return Ok(Adopted { content, is_new: false });
    }
    configuration::check(&content).map_err(Failure::Invalid)?;
    let new = configurations::NewVersion {
        base,
        configuration: &content,
        comment: "what `evergate up` was told",
        rollback_of: None,
    };
    configurations::publish(tx, &Actor::System, now, &new).await?;
    Ok(Adopted { content, is_new: true })
}

/// The demo's servers listen on ports that follow those of the installation. A demo that was removed
/// stays away.
fn move_demo(wanted: &SetUp, content: &mut Configuration) {
    let Some((name, resource)) = &wanted.demo else { return };
    if wanted.directory.join(DEMO_FILE).exists()
        && let Some(present) = content.resources.get_mut(name)
    {
        present.upstreams.clone_from(&resource.upstreams);
    }
}
