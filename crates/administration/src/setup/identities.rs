//! The first certificate of each instance: made by setup together with its key, and replaced by the
//! instance itself as soon as it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use evergate_keys::certificate_authority::INSTANCE_DAYS;
use evergate_model::{Instance, Name, Timestamp};
use evergate_process::Bootstrap;
use evergate_process::identity::PeerCertificate;
use evergate_store::instances::{self, Admission};
use evergate_store::keys::Role;
use evergate_store::{Actor, Tx};

use super::{SetUp, bootstrap_files};
use crate::bootstrap::{FirstIdentity, issue_first};
use crate::vault::Vault;
use crate::{Failure, authorities};

/// What was issued, by instance.
pub(super) type Identities = BTreeMap<Name, FirstIdentity>;

/// Issues and admits a certificate for each instance whose bootstrap file has none that is still
/// good for half of its life.
pub(super) async fn issue_missing(
    tx: &mut Tx,
    vault: &Vault,
    wanted: &SetUp,
    now: Timestamp,
) -> Result<Identities, Failure> {
    let admissions = instances::admissions(tx).await?;
    let authority = authorities::issuing(tx, vault, Role::Identity).await?;
    let mut issued = Identities::new();
    for instance in wanted.here() {
        if has_good_one(wanted, instance, &admissions, now) {
            continue;
        }
        let identity = issue_first(tx, &authority, &Actor::System, now, instance).await?;
        issued.insert(instance.name.clone(), identity);
    }
    Ok(issued)
}

fn has_good_one(wanted: &SetUp, instance: &Instance, admissions: &[Admission], now: Timestamp) -> bool {
    let half_life = Duration::from_secs(INSTANCE_DAYS * 86_400 / 2);
    let file = bootstrap_files::path(&wanted.directory, &instance.name);
    let Ok(bootstrap) = Bootstrap::read(&file) else { return false };
    let Some(certificate) = PeerCertificate::read_pem(&bootstrap.certificate) else { return false };
    admissions.iter().any(|admission| {
        admission.instance == instance.name
            && admission.service == instance.service
            && admission.certificate == certificate.sha256
            && admission.not_after > now.plus(half_life)
    })
}
