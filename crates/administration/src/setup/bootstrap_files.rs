//! The bootstrap files, remade from the database at every start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use evergate_model::{Name, Secret};
use evergate_process::{Bootstrap, files};
use evergate_store::Store;

use super::SetUp;
use super::identities::Identities;
use crate::bootstrap::{Common, FirstIdentity, Own};
use crate::vault::Vault;

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
    for instance in wanted.here() {
        let path = path(&wanted.directory, &instance.name);
        let identity = match issued.remove(&instance.name) {
            Some(identity) => {
                replace_renewed(&wanted.directory, &instance.name)?;
                identity
            }
            None => present(&path)?,
        };
        let own = Own {
            identity,
            database: wanted.database.expose(),
            wrapping_key,
            listeners: wanted.listeners.get(&instance.name).cloned().unwrap_or_default(),
        };
        let bootstrap = common.bootstrap(instance, own);
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
