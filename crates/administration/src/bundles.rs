//! The key bundles of each kind of service, as they lie sealed in the database.

use evergate_keys::KeyBundle;
use evergate_model::{Secret, Service, Timestamp};
use evergate_store::keys::{self, StoredBundle};
use evergate_store::{Actor, Connection, Tx};

use crate::Failure;
use crate::vault::Vault;

fn sealed_name(service: Service, generation: u64) -> String {
    format!("bundle/{service}/{generation}")
}

/// The bundle of one service.
pub(crate) async fn load(
    connection: &mut Connection,
    vault: &Vault,
    service: Service,
) -> Result<KeyBundle, Failure> {
    let json = load_json(connection, vault, service).await?;
    serde_json::from_slice(json.expose()).map_err(|error| Failure::crypto("key bundle")(&error))
}

/// The same as it is sent to the service's instances.
pub(crate) async fn load_json(
    connection: &mut Connection,
    vault: &Vault,
    service: Service,
) -> Result<Secret<Vec<u8>>, Failure> {
    let stored = keys::bundle(connection, service)
        .await?
        .ok_or_else(|| Failure::NotFound(format!("key bundle for {service}")))?;
    vault.open(&sealed_name(service, stored.generation), &stored.sealed)
}

/// Keeps a bundle whose generation was raised.
pub(crate) async fn save(
    tx: &mut Tx,
    vault: &Vault,
    actor: &Actor,
    now: Timestamp,
    bundle: &KeyBundle,
) -> Result<(), Failure> {
    let json = serde_json::to_vec(bundle).map_err(|error| Failure::crypto("key bundle")(&error))?;
    let json = Secret::new(json);
    let sealed = vault.seal(&sealed_name(bundle.service, bundle.generation), json.expose());
    let stored = StoredBundle { service: bundle.service, generation: bundle.generation, sealed };
    if keys::put_bundle(tx, actor, now, &stored).await? {
        Ok(())
    } else {
        Err(Failure::Conflict(format!("the keys of {} were changed meanwhile", bundle.service)))
    }
}
