//! What is in bootstrap files, and the first certificate of an instance: made together with its key,
//! and replaced by the instance itself as soon as it runs.

use evergate_keys::certificate_authority::{Authority, request};
use evergate_model::id::Lineage;
use evergate_model::snapshot::{KeyPurpose, PublicKey};
use evergate_model::{Id, Instance, Secret, Service, Timestamp};
use evergate_process::Bootstrap;
use evergate_process::bootstrap::{AdministrationPeer, ListenerSource};
use evergate_store::instances::{self, Admission};
use evergate_store::keys::Role;
use evergate_store::{Actor, Connection, Tx, installation};

use crate::vault::Vault;
use crate::{Failure, authorities, publishing};

/// Of one instance this many certificates are believed: the one in use, the one to come, and two that
/// were issued but never received, because somebody was killed in between. With fewer, the one in
/// use would be pushed out by its own renewal after such a kill.
pub(crate) const CERTIFICATES_KEPT: usize = 4;

/// A certificate with its key, PEM.
pub(crate) struct FirstIdentity {
    pub(crate) certificate: String,
    pub(crate) key: Secret<String>,
}

/// Makes a key and a certificate for an instance, and admits it. New snapshots are the caller's.
pub(crate) async fn issue_first(
    tx: &mut Tx,
    authority: &Authority,
    actor: &Actor,
    now: Timestamp,
    instance: &Instance,
) -> Result<FirstIdentity, Failure> {
    let request = request().map_err(|error| Failure::crypto("instance key")(&error))?;
    let certificate = authority
        .issue_instance(&request.request, &instance.name, instance.service, now)
        .map_err(|error| Failure::crypto("instance certificate")(&error))?;
    let admission = Admission {
        line: certificate.fingerprint.clone(),
        certificate: certificate.fingerprint,
        instance: instance.name.clone(),
        service: instance.service,
        not_after: certificate.expires_at,
        admitted_at: now,
    };
    instances::admit(tx, actor, now, &admission, CERTIFICATES_KEPT).await?;
    Ok(FirstIdentity { certificate: certificate.chain, key: request.key })
}

/// What all bootstrap files share.
pub(crate) struct Common {
    lineage: Id<Lineage>,
    identity_roots: Vec<String>,
    snapshot_keys: Vec<PublicKey>,
    /// Each with the certificates that are admitted as its.
    administration: Vec<(Instance, Vec<String>)>,
}

/// What is one instance's own; of it each kind is told only what it needs.
pub(crate) struct Own<'a> {
    pub(crate) identity: FirstIdentity,
    pub(crate) database: &'a str,
    pub(crate) wrapping_key: &'a Secret<String>,
    pub(crate) listeners: Vec<ListenerSource>,
}

impl Common {
    pub(crate) async fn load(connection: &mut Connection, vault: &Vault) -> Result<Self, Failure> {
        let installation = installation::get(connection).await?.ok_or(Failure::Missing("installation"))?;
        let admitted = instances::admitted(connection).await?;
        let administration = installation.topology.of(Service::Administration).map(|instance| {
            let own = admitted.iter().find(|entry| entry.instance == instance.name);
            (instance.clone(), own.map_or_else(Vec::new, |entry| entry.certificates.clone()))
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

    /// The bootstrap file of one instance.
    pub(crate) fn bootstrap(&self, instance: &Instance, own: Own<'_>) -> Bootstrap {
        let is_access_point = instance.service == Service::AccessPoint;
        let is_administration = instance.service == Service::Administration;
        let administration = self.administration.iter().map(|(peer, certificates)| AdministrationPeer {
            instance: peer.name.clone(),
            address: peer.reached_from(instance.is_outside).to_owned(),
            certificates: certificates.clone(),
        });
        let listen = instance.listen.as_ref().unwrap_or(&instance.address);
        Bootstrap {
            lineage: self.lineage,
            instance: instance.name.clone(),
            service: instance.service,
            identity_roots: self.identity_roots.clone(),
            certificate: own.identity.certificate,
            key: own.identity.key,
            administration: administration.collect(),
            snapshot_keys: self.snapshot_keys.clone(),
            listen: (!is_access_point).then(|| listen.clone()),
            operations: instance.operations.clone(),
            database: (!is_access_point).then(|| own.database.to_owned()),
            wrapping_key: is_administration.then(|| own.wrapping_key.clone()),
            listeners: own.listeners,
            is_outside: instance.is_outside,
        }
    }
}
