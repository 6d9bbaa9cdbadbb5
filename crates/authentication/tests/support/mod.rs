//! Two authentication instances over one real database, with neighbours that keep sessions, and a
//! browser that fills in forms.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod browser;
mod neighbours;

use std::sync::Arc;

use evergate_authentication::{HashingPool, Secrets, Settings, Site};
use evergate_keys::{KeyBundle, Purpose, SeedSealer, new_id, totp::Seed};
use evergate_model::id::User;
use evergate_model::snapshot::KeyPurpose;
use evergate_model::{Configuration, Id, Secret, Service, Timestamp};
use evergate_process::clock::ManualClock;
use evergate_store::credentials::{self, NewCredential, Sort};
use evergate_store::users::{self, State};
use evergate_store::{Actor, Store};
use evergate_tokens::Verifier;
use tokio::sync::watch;

pub use browser::{Browser, Page};
pub use neighbours::Fake;

pub const PASSWORD: &str = "correct horse battery staple";
pub const NOW: Timestamp = Timestamp::from_seconds(1_795_350_600);

/// Everything a test needs.
pub struct World {
    pub clock: ManualClock,
    pub neighbours: Arc<Fake>,
    pub instances: Vec<Site>,
    authentication: KeyBundle,
    _directory: tempfile::TempDir,
}

/// A user who can sign in.
pub struct Person {
    pub id: Id<User>,
    pub name: String,
    pub seed: Seed,
}

impl World {
    /// Two instances; the resource `wiki` wants these factors.
    pub async fn new(sequences: &[&[&str]]) -> Self {
        Self::with_failures(sequences, 5).await
    }

    /// The same, with another limit of failures.
    pub async fn with_failures(sequences: &[&[&str]], failures: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("evergate.db").display());
        let clock = ManualClock::new(NOW);
        let policy = KeyBundle::generate(Service::Policy, NOW);
        let authentication = KeyBundle::generate(Service::Authentication, NOW);
        let verifier = Verifier::from_public_keys(&policy.public_keys().unwrap()).unwrap();
        let settings = Arc::new(Settings::new(&configuration(failures), verifier));
        let secrets = Arc::new(Secrets::from_bundle(&authentication).unwrap());
        let signer = policy.signing_key(Purpose::SessionToken).unwrap();
        let neighbours = Arc::new(Fake::new(clock.clock(), signer, sequences));
        let mut instances = Vec::new();
        for _ in 0..2 {
            let store = Store::open(&url, evergate_store::Settings { create: true, ..Default::default() })
                .await
                .unwrap();
            store.migrate().await.unwrap();
            instances.push(Site {
                store,
                neighbours: neighbours.clone(),
                clock: clock.clock(),
                hashing: HashingPool::for_cores(3),
                settings: watch::channel(Some(Arc::clone(&settings))).1,
                secrets: watch::channel(Some(Arc::clone(&secrets))).1,
            });
        }
        Self { clock, neighbours, instances, authentication, _directory: directory }
    }

    /// A user made so long ago, with the password and, if wanted, a soft token.
    pub async fn add_user(&self, name: &str, created_at: Timestamp, has_totp: bool) -> Person {
        let person = Person { id: new_id(NOW), name: name.to_owned(), seed: Seed::generate() };
        let user = users::User {
            id: person.id,
            name: name.to_owned(),
            email: Some(format!("{name}@example.com")),
            state: State::Active,
            created_at,
            invited_at: None,
        };
        let phc = evergate_keys::password::hash(&Secret::new(PASSWORD.to_owned())).unwrap();
        let mut tx = self.instances[0].store.begin().await.unwrap();
        users::add(&mut tx, &Actor::System, NOW, &user).await.unwrap();
        credentials::set_password(&mut tx, &Actor::System, NOW, person.id, new_id(NOW), &phc).await.unwrap();
        if has_totp {
            let sealed = self.seal(&person);
            let new = NewCredential {
                id: new_id(NOW),
                user: person.id,
                sort: Sort::Totp,
                label: "app",
                secret: Some(&sealed),
            };
            credentials::add(&mut tx, &Actor::System, NOW, &new).await.unwrap();
        }
        tx.commit().await.unwrap();
        self.neighbours.know(person.id, name);
        person
    }

    fn seal(&self, person: &Person) -> Vec<u8> {
        let keys = self.authentication.public_keys().unwrap();
        assert!(keys.iter().any(|key| key.purpose == KeyPurpose::SeedSealing));
        let sealer = SeedSealer::from_public_keys(&keys).unwrap();
        sealer.seal(person.id.to_string().as_bytes(), person.seed.expose()).unwrap()
    }

    /// The code of the person's app now.
    pub fn code(&self, person: &Person) -> String {
        person.seed.code_at(self.clock.clock().now())
    }

    /// A code that is surely not theirs.
    pub fn wrong_code(&self, person: &Person) -> String {
        let now = self.clock.clock().now();
        (0..1_000_000)
            .map(|number| format!("{number:06}"))
            .find(|code| person.seed.matching_step(code, now).is_none())
            .unwrap()
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.instances.clone())
    }
}

fn configuration(failures: u32) -> Configuration {
    serde_json::from_value(serde_json::json!({
        "sign_in": { "failures": failures },
        "portal_host": "portal.example.com",
        "resources": { "wiki": {
            "hosts": ["wiki.example.com"], "upstreams": ["http://127.0.0.1:1"], "rule": "password and totp"
        } }
    }))
    .unwrap()
}
