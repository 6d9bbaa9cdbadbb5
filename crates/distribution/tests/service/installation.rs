//! An installation of one database in which any number of distribution instances run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evergate_distribution::acceptance::{self, Acceptance};
use evergate_distribution::current::Current;
use evergate_distribution::delivery::Delivery;
use evergate_distribution::service::Service;
use evergate_keys::{KeyBundle, new_id};
use evergate_model::configuration::Mail;
use evergate_model::id::User;
use evergate_model::snapshot::{Head, InternalPart, Part, Snapshot};
use evergate_model::{Configuration, Id, Service as Kind, Timestamp, Topology};
use evergate_process::Lifecycle;
use evergate_process::clock::ManualClock;
use evergate_store::{Actor, Settings, Store, users};
use tokio::sync::{Notify, watch};

pub const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub struct Installation {
    pub directory: tempfile::TempDir,
    pub clock: ManualClock,
    pub authentication: KeyBundle,
    pub alice: Id<User>,
    bundle: KeyBundle,
}

/// One running instance; it ends with the test.
pub struct Instance {
    pub service: Arc<Service>,
    pub store: Store,
    pub lifecycle: Lifecycle,
}

impl Installation {
    pub async fn new() -> Self {
        let installation = Self {
            directory: tempfile::tempdir().unwrap(),
            clock: ManualClock::new(NOW),
            authentication: KeyBundle::generate(Kind::Authentication, NOW),
            alice: new_id(NOW),
            bundle: KeyBundle::generate(Kind::Distribution, NOW),
        };
        let store = installation.store().await;
        store.migrate().await.unwrap();
        installation.add_user(&store, installation.alice, "alice").await;
        installation
    }

    pub async fn add_user(&self, store: &Store, id: Id<User>, name: &str) {
        let (created_at, state) = (NOW, users::State::Active);
        let user =
            users::User { id, name: name.to_owned(), email: None, state, created_at, invited_at: None };
        let mut tx = store.begin().await.unwrap();
        users::add(&mut tx, &Actor::System, NOW, &user).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn store(&self) -> Store {
        let url = format!("sqlite:{}", self.directory.path().join("evergate.db").display());
        Store::open(&url, Settings { create: true, ..Settings::default() }).await.unwrap()
    }

    pub fn mail_directory(&self) -> PathBuf {
        self.directory.path().join("mail")
    }

    pub fn current(&self, mail: Option<Mail>) -> Current {
        let mut public_keys = self.authentication.public_keys().unwrap();
        public_keys.extend(self.bundle.public_keys().unwrap());
        let head = Head {
            lineage: new_id(NOW),
            epoch: 1,
            revision: 1,
            version: 1,
            audience: Kind::Distribution,
            made_at: NOW,
        };
        let part = Part::Internal(Box::new(InternalPart { configuration: configuration(mail) }));
        let (admitted, identity_roots) = (Vec::new(), Vec::new());
        let topology = Topology::default();
        let snapshot = Snapshot { head, topology, admitted, identity_roots, public_keys, part };
        Current::new(&self.bundle, &snapshot).unwrap()
    }

    /// What delivers on an instance, for the test to run; it stops with `lifecycle`.
    pub async fn delivery(&self, name: &str, mail: Option<Mail>, lifecycle: &Lifecycle) -> Delivery {
        Delivery {
            store: self.store().await,
            clock: self.clock.clock(),
            lifecycle: lifecycle.clone(),
            instance: name.parse().unwrap(),
            directory: self.mail_directory(),
            current: watch::channel(Arc::new(self.current(mail))).1,
            accepted: Arc::default(),
        }
    }

    /// An instance that takes mail in, and, if it `delivers`, sends it.
    pub async fn start(&self, name: &str, mail: Option<Mail>, delivers: bool) -> Instance {
        let (store, lifecycle) = (self.store().await, Lifecycle::new());
        let (_, current) = watch::channel(Arc::new(self.current(mail)));
        let accepted = Arc::new(Notify::new());
        let (acceptance, writer): (Acceptance, _) =
            acceptance::open(store.clone(), self.clock.clock(), Arc::clone(&accepted));
        lifecycle.spawn("write", writer.run());
        if delivers {
            let delivery = Delivery {
                store: store.clone(),
                clock: self.clock.clock(),
                lifecycle: lifecycle.clone(),
                instance: name.parse().unwrap(),
                directory: self.mail_directory(),
                current: current.clone(),
                accepted,
            };
            lifecycle.spawn("deliver", delivery.run());
        }
        let service = Service { store: store.clone(), clock: self.clock.clock(), current, acceptance };
        Instance { service: Arc::new(service), store, lifecycle }
    }
}

fn configuration(mail: Option<Mail>) -> Configuration {
    Configuration {
        portal_host: "portal.localhost".parse().unwrap(),
        console_host: None,
        public_port: None,
        certificates: Vec::new(),
        global_rule: None,
        rules: Default::default(),
        resources: Default::default(),
        sessions: Default::default(),
        sign_in: Default::default(),
        mail,
        pools: Default::default(),
    }
}

impl Instance {
    pub async fn waiting(&self) -> u64 {
        let mut reading = self.store.read().await.unwrap();
        evergate_store::outbox::waiting(&mut reading).await.unwrap().messages
    }

    pub async fn is_empty(&self) -> bool {
        self.waiting().await == 0
    }
}

/// Waits until it holds; the test fails if it does not within 20 s.
pub async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not come about");
}
