//! What every part of the service works with.

use std::sync::Arc;

use anyhow::Context;
use evergate_model::{Name, Timestamp};
use evergate_process::Instance;
use evergate_store::{Memory, Settings, Store};
use evergate_wire::joined::Joined;
use tokio::sync::watch;

use crate::heads::{self, Heads};
use crate::passwords::Passwords;
use crate::statuses::Statuses;
use crate::vault::Vault;

/// The running service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Office(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) instance: Instance,
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) joined: Joined,
    pub(crate) heads: watch::Receiver<Heads>,
    pub(crate) statuses: Statuses,
    pub(crate) passwords: Passwords,
    pub(crate) since: Timestamp,
}

impl std::ops::Deref for Office {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Office {
    /// Opens the database that the bootstrap file names, and starts following it.
    pub(crate) async fn open(instance: &Instance) -> anyhow::Result<Self> {
        let bootstrap = &instance.bootstrap;
        let url = bootstrap.database.as_deref().context("the bootstrap file names no database")?;
        let key = bootstrap.wrapping_key.as_ref().context("the bootstrap file has no wrapping key")?;
        let vault = Vault::from_hex(key).context("the bootstrap file's wrapping key cannot be used")?;
        let memory = Memory::in_directory(&instance.data)?;
        let settings = Settings { memory, ..Settings::default() };
        let store = Store::open(url, settings).await.context("cannot open the database")?;
        store.migrate().await.context("the database cannot be brought up to date")?;
        let joined = evergate_wire::joined::join(instance)?;
        let first = Heads::read(&store).await.context("cannot read the database")?;
        let heads = heads::follow(instance, &store, first);
        Ok(Self(Arc::new(Inner {
            since: instance.clock.now(),
            instance: instance.clone(),
            statuses: Statuses::default(),
            passwords: Passwords::new(),
            store,
            vault,
            joined,
            heads,
        })))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.instance.clock.now()
    }

    /// This instance's name.
    pub(crate) fn name(&self) -> &Name {
        &self.instance.bootstrap.instance
    }

    /// Whether this instance is the active one at present.
    pub(crate) fn is_active(&self) -> bool {
        let now = self.now();
        let heads = self.heads.borrow();
        heads.active.as_ref().is_some_and(|lease| lease.holder == *self.name() && lease.expires_at > now)
    }
}
