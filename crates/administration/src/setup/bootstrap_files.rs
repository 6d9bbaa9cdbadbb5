//! The bootstrap files, remade from the database at every start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use evergate_model::snapshot::KeyPurpose;
use evergate_model::{Instance, Name, Secret, Service};
use evergate_process::bootstrap::AdministrationPeer;
use evergate_process::{Bootstrap, files};
use evergate_store::keys::Role;
use evergate_store::{Connection, Store, installation, instances};

use super::identities::{FirstIdentity, Identities};
use super::{SetUp, database_url};
use crate::vault::Vault;
use crate::{Failure, authorities, publishing};

/// Where an instance's own files are.
fn directory(data: &Path, instance: &Name) -> PathBuf {
    data.join("instances").join(instance.as_str())
}

/// Where an instance's bootstrap file is.
pub(super) fn path(data: &Path, instance: &Name) -> PathBuf {
    directory(data, instance).join("bootstrap.json")
}

/// Writes the file of every instance, with the certificate just issued or the one it had.
pub(super) async fn write(
    store: &Store,
    vault: &Vault,
    wanted: &SetUp,
    wrapping_key: &Secret<String>,
    mut issued: Identities,
) -> anyhow::Result<BTreeMap<Name, PathBuf>> {
    let mut reading = store.read().await?;
    let common = Common::load(&mut reading, vault).await?;
    let mut written = BTreeMap::new();
    for instance in &wanted.topology.instances {
        let path = path(&wanted.directory, &instance.name);
        let identity = match issued.remove(&instance.name) {
            Some(identity) => {
                replace_renewed(&wanted.directory, &instance.name)?;
                identity
            }
            None => present(&path)?,
        };
        let bootstrap = common.bootstrap(wanted, instance, identity, wrapping_key);
        bootstrap.write(&path)?;
        written.insert(instance.name.clone(), path);
    }
    Ok(written)
}

/// A certificate that the instance got for itself later than its bootstrap file would be older than
/// the one just issued: it goes.
fn replace_renewed(data: &Path, instance: &Name) -> anyhow::Result<()> {
    let directory = directory(data, instance);
    files::make_private_directory(&directory)
        .with_context(|| format!("cannot make `{}`", directory.display()))?;
    let renewed = directory.join("certificate.json");
    match std::fs::remove_file(&renewed) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", renewed.display()))
        }
        _ => Ok(()),
    }
}

fn present(path: &Path) -> anyhow::Result<FirstIdentity> {
    let bootstrap = Bootstrap::read(path)?;
    Ok(FirstIdentity { certificate: bootstrap.certificate, key: bootstrap.key })
}

/// What all bootstrap files share.
struct Common {
    lineage: evergate_model::Id<evergate_model::id::Lineage>,
    identity_roots: Vec<String>,
    snapshot_keys: Vec<evergate_model::snapshot::PublicKey>,
    administration: Vec<AdministrationPeer>,
}

impl Common {
    async fn load(connection: &mut Connection, vault: &Vault) -> Result<Self, Failure> {
        let installation = installation::get(connection).await?.ok_or(Failure::Missing("installation"))?;
        let admitted = instances::admitted(connection).await?;
        let administration = installation.topology.of(Service::Administration).map(|instance| {
            let own = admitted.iter().find(|entry| entry.instance == instance.name);
            AdministrationPeer {
                instance: instance.name.clone(),
                address: instance.address.clone(),
                certificates: own.map_or_else(Vec::new, |entry| entry.certificates.clone()),
            }
        });
        let mut keys = publishing::public_keys(connection, vault).await?;
        keys.retain(|key| key.purpose == KeyPurpose::Snapshot);
        Ok(Self {
            lineage: installation.lineage,
            administration: administration.collect(),
            identity_roots: authorities::roots(connection, Role::Identity).await?,
            snapshot_keys: keys,
        })
    }

    fn bootstrap(
        &self,
        wanted: &SetUp,
        instance: &Instance,
        identity: FirstIdentity,
        wrapping_key: &Secret<String>,
    ) -> Bootstrap {
        let is_access_point = instance.service == Service::AccessPoint;
        let is_administration = instance.service == Service::Administration;
        Bootstrap {
            lineage: self.lineage,
            instance: instance.name.clone(),
            service: instance.service,
            identity_roots: self.identity_roots.clone(),
            certificate: identity.certificate,
            key: identity.key,
            administration: self.administration.clone(),
            snapshot_keys: self.snapshot_keys.clone(),
            listen: (!is_access_point).then(|| instance.address.clone()),
            operations: instance.operations.clone(),
            database: (!is_access_point).then(|| database_url(&wanted.directory)),
            wrapping_key: is_administration.then(|| wrapping_key.clone()),
            listeners: wanted.listeners.get(&instance.name).cloned().unwrap_or_default(),
        }
    }
}
