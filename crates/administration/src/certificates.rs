//! The certificates that browsers see: those brought along as files, and for every other host one
//! of its own from the local CA, made at once.

mod brought;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use evergate_keys::certificate_authority::{Authority, HOST_DAYS};
use evergate_model::snapshot::ListenerCertificate;
use evergate_model::{Configuration, Host, Instance, Service, Timestamp};
use evergate_store::host_certificates::{self, HostCertificate};
use evergate_store::keys::Role;
use evergate_store::{Connection, Tx, installation};

use crate::vault::{Vault, certificate_name};
use crate::{Failure, authorities};

/// Local certificates are made anew when two thirds of their life are over.
const RENEW_BEFORE: Duration = Duration::from_secs(HOST_DAYS * 86_400 / 3);

/// The host by which administration instances are reached directly.
pub(crate) const LOCALHOST: &str = "localhost";

/// Makes every host of `configuration`, and every host by which administration is reached directly,
/// have a certificate, and forgets those of hosts that are no more; whether anything changed.
pub(crate) async fn provide(
    tx: &mut Tx,
    vault: &Vault,
    now: Timestamp,
    configuration: &Configuration,
) -> Result<bool, Failure> {
    let present = host_certificates::list(tx).await?;
    let direct = direct_hosts(tx).await?;
    let wanted = wanted(configuration, direct)?;
    let mut is_changed = false;
    for stale in present.iter().filter(|one| !wanted.iter().any(|wanted| wanted.name() == one.name)) {
        host_certificates::remove(tx, &stale.name).await?;
        is_changed = true;
    }
    let local = authorities::issuing(tx, vault, Role::Local).await?;
    for wanted in &wanted {
        let there = present.iter().find(|one| one.name == wanted.name());
        if let Some(new) = wanted.renewed(there, &local, vault, now)? {
            host_certificates::put(tx, &new).await?;
            is_changed = true;
        }
    }
    Ok(is_changed)
}

/// By what names administration instances are reached past the access points: on their own machine, and by
/// the addresses of their nodes. An IPv6 address has no certificate.
async fn direct_hosts(connection: &mut Connection) -> Result<BTreeSet<Host>, Failure> {
    let topology = installation::get(connection).await?.ok_or(Failure::Missing("installation"))?.topology;
    let addresses = topology.of(Service::Administration).filter_map(direct_host);
    Ok(addresses.chain(LOCALHOST.parse()).collect())
}

/// The name by which other machines reach an instance.
pub(crate) fn direct_host(instance: &Instance) -> Option<Host> {
    let (host, _) = instance.reached_from(true).rsplit_once(':')?;
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    host.parse().ok().filter(|_| !is_loopback)
}

/// What the access points' listeners show, for the hosts of the configuration.
pub(crate) async fn for_listeners(
    connection: &mut Connection,
    vault: &Vault,
    configuration: &Configuration,
) -> Result<Vec<ListenerCertificate>, Failure> {
    let published = hosts(configuration);
    let all = host_certificates::list(connection).await?;
    let shown = all.into_iter().filter(|one| one.hosts.iter().any(|host| published.contains(host)));
    shown.map(|one| opened(vault, one)).collect()
}

/// The certificate of one host.
pub(crate) async fn find(
    connection: &mut Connection,
    vault: &Vault,
    host: &str,
) -> Result<Option<ListenerCertificate>, Failure> {
    let all = host_certificates::list(connection).await?;
    let found = all.into_iter().find(|one| one.hosts.iter().any(|other| other.as_str() == host));
    found.map(|one| opened(vault, one)).transpose()
}

fn opened(vault: &Vault, one: HostCertificate) -> Result<ListenerCertificate, Failure> {
    let key = vault.open_text(&certificate_name(&one.name), &one.sealed)?;
    Ok(ListenerCertificate { hosts: one.hosts, chain: one.chain, key: key.expose().clone() })
}

/// Every host that browsers may ask an access point for.
pub(crate) fn hosts(configuration: &Configuration) -> BTreeSet<Host> {
    let own = std::iter::once(&configuration.portal_host).chain(configuration.console_host.as_ref());
    own.chain(configuration.resources.values().flat_map(|resource| &resource.hosts)).cloned().collect()
}

/// A certificate that there should be.
enum Wanted {
    Local(Host),
    Brought(brought::Brought),
}

fn wanted(configuration: &Configuration, direct: BTreeSet<Host>) -> Result<Vec<Wanted>, Failure> {
    let brought = brought::read_all(&configuration.certificates).map_err(Failure::Invalid)?;
    let covered: BTreeSet<&Host> = configuration.certificates.iter().flat_map(|files| &files.hosts).collect();
    let local = hosts(configuration).into_iter().filter(|host| !covered.contains(host));
    let local: BTreeSet<Host> = local.chain(direct).collect();
    Ok(local.into_iter().map(Wanted::Local).chain(brought.into_iter().map(Wanted::Brought)).collect())
}

impl Wanted {
    fn name(&self) -> String {
        match self {
            Self::Local(host) => format!("local:{host}"),
            Self::Brought(brought) => format!("file:{}", brought.file),
        }
    }

    /// The certificate to keep in place of `there`, if another is due.
    fn renewed(
        &self,
        there: Option<&HostCertificate>,
        local: &Authority,
        vault: &Vault,
        now: Timestamp,
    ) -> Result<Option<HostCertificate>, Failure> {
        let name = self.name();
        match self {
            Self::Local(_) if there.is_some_and(|one| one.not_after > now.plus(RENEW_BEFORE)) => Ok(None),
            Self::Local(host) => {
                let pair = local
                    .issue_host(host, now)
                    .map_err(|error| Failure::crypto("certificate for a host")(&error))?;
                Ok(Some(HostCertificate {
                    hosts: vec![host.clone()],
                    chain: pair.certificate.chain,
                    sealed: vault.seal(&certificate_name(&name), pair.key.expose().as_bytes()),
                    not_after: pair.certificate.expires_at,
                    made_at: now,
                    name,
                }))
            }
            Self::Brought(brought)
                if there.is_some_and(|one| one.chain == brought.chain && one.hosts == brought.hosts) =>
            {
                Ok(None)
            }
            Self::Brought(brought) => Ok(Some(HostCertificate {
                hosts: brought.hosts.clone(),
                chain: brought.chain.clone(),
                sealed: vault.seal(&certificate_name(&name), brought.key.expose().as_bytes()),
                not_after: brought.not_after,
                made_at: now,
                name,
            })),
        }
    }
}
