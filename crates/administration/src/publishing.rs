//! New signed snapshots for every service, in the transaction of whatever made them necessary.

use evergate_keys::{KeyBundle, Purpose};
use evergate_model::snapshot::PublicKey;
use evergate_model::{Service, Timestamp};
use evergate_store::keys::Role;
use evergate_store::snapshots::StoredSnapshot;
use evergate_store::{Connection, Tx, configurations, installation, instances, keys, snapshots};

use crate::configuration::check;
use crate::material::Material;
use crate::vault::{Vault, snapshot_name};
use crate::{Failure, authorities, bundles, certificates};

/// Raises the revision and makes, signs and keeps every service's snapshot; the revision.
///
/// # Errors
/// When the database fails or holds something that cannot be used; then the transaction must be
/// dropped.
pub(crate) async fn publish_snapshots(tx: &mut Tx, vault: &Vault, now: Timestamp) -> Result<u64, Failure> {
    let revision = installation::next_revision(tx).await?;
    let material = load(tx, vault).await?;
    let own = bundles::load(tx, vault, Service::Administration).await?;
    let signing =
        own.signing_key(Purpose::Snapshot).map_err(|error| Failure::crypto("signing key")(&error))?;
    for audience in Service::ALL {
        let snapshot = material.snapshot(audience, now);
        let signed = signing
            .sign_snapshot(&snapshot)
            .map_err(|error| Failure::crypto("signing a snapshot")(&error))?;
        let sealed = vault.seal(&snapshot_name(audience, revision), &signed.bytes);
        let stored = StoredSnapshot { audience, revision, version: material.version, sealed };
        snapshots::put(tx, now, &stored).await?;
    }
    tracing::info!(revision, version = material.version, "snapshots published");
    Ok(revision)
}

/// The envelope of a service's snapshot above revision `above`, with its revision.
///
/// # Errors
/// When the database fails, or the snapshot was sealed with another wrapping key.
pub(crate) async fn newer_envelope(
    connection: &mut Connection,
    vault: &Vault,
    audience: Service,
    above: u64,
) -> Result<Option<(u64, Vec<u8>)>, Failure> {
    let Some(stored) = snapshots::find_newer(connection, audience, above).await? else { return Ok(None) };
    let envelope = vault.open(&snapshot_name(audience, stored.revision), &stored.sealed)?;
    Ok(Some((stored.revision, envelope.expose().clone())))
}

async fn load(tx: &mut Tx, vault: &Vault) -> Result<Material, Failure> {
    let installation = installation::get(tx).await?.ok_or(Failure::Missing("installation"))?;
    let (version, configuration) =
        configurations::latest(tx).await?.ok_or(Failure::Missing("configuration"))?;
    let rules = check(&configuration).map_err(Failure::Invalid)?;
    Ok(Material {
        rules,
        version,
        admitted: instances::admitted(tx).await?,
        identity_roots: authorities::roots(tx, Role::Identity).await?,
        public_keys: public_keys(tx, vault).await?,
        certificates: certificates::for_listeners(tx, vault, &configuration).await?,
        configuration,
        installation,
    })
}

/// The shared keys of every service.
pub(crate) async fn public_keys(
    connection: &mut Connection,
    vault: &Vault,
) -> Result<Vec<PublicKey>, Failure> {
    let mut all = Vec::new();
    for service in Service::ALL {
        if keys::generation(connection, service).await? > 0 {
            let bundle: KeyBundle = bundles::load(connection, vault, service).await?;
            all.extend(bundle.public_keys().map_err(|error| Failure::crypto("public keys")(&error))?);
        }
    }
    Ok(all)
}
