//! The certificate authorities, as they lie sealed in the database: identity (instances) and local
//! (browsers).

use evergate_keys::certificate_authority::Authority;
use evergate_keys::new_id;
use evergate_model::Timestamp;
use evergate_store::keys::{self, Role, StoredAuthority};
use evergate_store::{Actor, Connection, Tx};

use crate::Failure;
use crate::vault::{Vault, key_name};

/// Makes an authority and lets it issue.
pub(crate) async fn create(
    tx: &mut Tx,
    vault: &Vault,
    now: Timestamp,
    role: Role,
    name: &str,
) -> Result<(), Failure> {
    let authority =
        Authority::generate(name, now).map_err(|error| Failure::crypto("certificate authority")(&error))?;
    let id = new_id(now);
    let stored = StoredAuthority {
        id,
        is_issuing: true,
        certificate: authority.certificate_pem().to_owned(),
        sealed: vault.seal(&key_name(id), authority.key_pem().expose().as_bytes()),
        made_at: now,
    };
    keys::add_authority(tx, &Actor::System, now, role, &stored).await?;
    Ok(())
}

/// The certificates that are believed, PEM.
pub(crate) async fn roots(connection: &mut Connection, role: Role) -> Result<Vec<String>, Failure> {
    let all = keys::authorities(connection, role).await?;
    Ok(all.into_iter().map(|authority| authority.certificate).collect())
}

/// The authority that issues.
pub(crate) async fn issuing(
    connection: &mut Connection,
    vault: &Vault,
    role: Role,
) -> Result<Authority, Failure> {
    let all = keys::authorities(connection, role).await?;
    let stored = all
        .into_iter()
        .rfind(|authority| authority.is_issuing)
        .ok_or(Failure::Missing("certificate authority"))?;
    let key = vault.open_text(&key_name(stored.id), &stored.sealed)?;
    Authority::from_pem(&stored.certificate, &key)
        .map_err(|error| Failure::crypto("certificate authority")(&error))
}
