//! What the database holds by now, read once for all that wait for it: the latest revision, the
//! generations of the keys, who is active, what instances are asked to do.

use std::collections::BTreeMap;
use std::time::Duration;

use evergate_model::{Name, Service};
use evergate_process::{Instance, Lifecycle};
use evergate_store::instances::Wish;
use evergate_store::leases::Lease;
use evergate_store::{Store, StoreError, installation, instances, keys, leases};
use tokio::sync::watch;

use crate::lease::ACTIVE;

/// Read again after so long also when no commit was noticed.
const PERIOD: Duration = Duration::from_secs(1);

/// The state of the database, as far as somebody waits for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    pub(crate) generations: BTreeMap<Service, u64>,
    pub(crate) active: Option<Lease>,
    pub(crate) wishes: BTreeMap<Name, Wish>,
}

impl Heads {
    pub(crate) async fn read(store: &Store) -> Result<Self, StoreError> {
        let mut reading = store.read().await?;
        let installation = installation::get(&mut reading).await?;
        let mut generations = BTreeMap::new();
        for service in Service::ALL {
            generations.insert(service, keys::generation(&mut reading, service).await?);
        }
        let wishes = instances::wishes(&mut reading).await?;
        Ok(Self {
            epoch: installation.as_ref().map_or(0, |installation| installation.epoch),
            revision: installation.as_ref().map_or(0, |installation| installation.revision),
            generations,
            active: leases::get(&mut reading, ACTIVE).await?,
            wishes: wishes.into_iter().map(|wish| (wish.instance.clone(), wish)).collect(),
        })
    }
}

/// Follows the database until the process stops.
pub(crate) fn follow(instance: &Instance, store: &Store, first: Heads) -> watch::Receiver<Heads> {
    let (sender, receiver) = watch::channel(first);
    let (store, readiness) = (store.clone(), instance.readiness.clone());
    let lifecycle: Lifecycle = instance.lifecycle.clone();
    lifecycle.spawn_until_stop("follow the database", async move {
        let mut changes = store.changes().await.ok();
        loop {
            match &mut changes {
                Some(changes) => drop(tokio::time::timeout(PERIOD, changes.changed()).await),
                none => {
                    tokio::time::sleep(PERIOD).await;
                    *none = store.changes().await.ok();
                }
            }
            match Heads::read(&store).await {
                Ok(heads) => {
                    readiness.clear("database");
                    sender.send_if_modified(|known| {
                        let is_changed = *known != heads;
                        *known = heads;
                        is_changed
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the database cannot be read");
                    readiness.degraded("database", "the database does not answer: read-only");
                }
            }
        }
    });
    receiver
}
