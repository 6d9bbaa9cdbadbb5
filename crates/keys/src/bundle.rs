//! The internal keys of one kind of service: what administration makes, and its instances fetch.

use std::fmt;

use evergate_model::id::Key;
use evergate_model::snapshot::{KeyPurpose, PublicKey};
use evergate_model::{Id, Secret, Service, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rotation::Command;
use crate::{CodeMac, KeyError, Sealer, SeedOpener, SigningKey, random, seed};

/// What a private key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Signs session tokens: policy.
    SessionToken,
    /// Signs assertions: policy.
    Assertion,
    /// Signs snapshots: administration.
    Snapshot,
    /// Seals the progress of a sign-in: authentication.
    ProgressSealing,
    /// Opens the seeds of soft tokens: authentication.
    SeedOpening,
    /// Keeps recovery codes and e-mailed codes: authentication.
    CodeMac,
    /// Seals unfinished enrolments and what messages say: distribution.
    EnrolmentSealing,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Made known, not used yet.
    Next,
    /// The one in use.
    Active,
    /// Still verifies and opens what it made.
    Retired,
}

/// One private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleKey {
    /// Its id.
    pub id: Id<Key>,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// In which generation of the bundle it came into that state.
    pub since_generation: u64,
    /// Ed25519 seed, X25519 private key or AES-256 key.
    #[serde(with = "crate::hex_secret")]
    pub secret: Secret<[u8; 32]>,
}

/// Longer than the JSON of any key, in bytes.
const ENTRY_LONGEST: usize = 512;

/// All private keys of one kind of service. Every change raises the generation. Its JSON is the
/// one form in which secrets are written out: over mTLS, to a file of mode 0600, or wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyBundle {
    /// Whose they are.
    pub service: Service,
    /// Counts the changes.
    pub generation: u64,
    /// The keys.
    pub keys: Vec<BundleKey>,
}

impl Purpose {
    /// What the instances of a service have keys for.
    #[must_use]
    pub const fn of(service: Service) -> &'static [Self] {
        match service {
            Service::Administration => &[Self::Snapshot],
            Service::Policy => &[Self::SessionToken, Self::Assertion],
            Service::Authentication => &[Self::ProgressSealing, Self::SeedOpening, Self::CodeMac],
            Service::Distribution => &[Self::EnrolmentSealing],
            Service::AccessPoint => &[],
        }
    }

    /// What the public half is for, where there is one.
    #[must_use]
    pub const fn shared(self) -> Option<KeyPurpose> {
        match self {
            Self::SessionToken => Some(KeyPurpose::SessionToken),
            Self::Assertion => Some(KeyPurpose::Assertion),
            Self::Snapshot => Some(KeyPurpose::Snapshot),
            Self::SeedOpening => Some(KeyPurpose::SeedSealing),
            Self::ProgressSealing | Self::CodeMac | Self::EnrolmentSealing => None,
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SessionToken => "session tokens",
            Self::Assertion => "assertions",
            Self::Snapshot => "snapshots",
            Self::ProgressSealing => "the progress of sign-ins",
            Self::SeedOpening => "seeds",
            Self::CodeMac => "codes",
            Self::EnrolmentSealing => "enrolments",
        })
    }
}

impl KeyBundle {
    /// The first keys of a service, all of them active: generation 1.
    #[must_use]
    pub fn generate(service: Service, now: Timestamp) -> Self {
        let mut bundle = Self { service, generation: 1, keys: Vec::new() };
        for purpose in Purpose::of(service) {
            bundle.add(*purpose, KeyState::Active, now);
        }
        bundle
    }

    /// The bundle in its JSON form, as instances fetch and keep it.
    ///
    /// # Errors
    /// When it is not one.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Its JSON form: all secrets in the clear.
    #[must_use]
    #[expect(clippy::expect_used, reason = "texts and numbers always have a form in JSON")]
    pub fn to_json(&self) -> Secret<Vec<u8>> {
        // Reserved beforehand: a vector that grows leaves copies of the secrets behind.
        let mut json = Vec::with_capacity(ENTRY_LONGEST * (self.keys.len() + 1));
        serde_json::to_writer(&mut json, self).expect("no form in JSON");
        Secret::new(json)
    }

    /// The keys of one purpose.
    pub fn of(&self, purpose: Purpose) -> impl Iterator<Item = &BundleKey> {
        self.keys.iter().filter(move |key| key.purpose == purpose)
    }

    /// The active key of one purpose.
    ///
    /// # Errors
    /// When there is none.
    pub fn active(&self, purpose: Purpose) -> Result<&BundleKey, KeyError> {
        self.of(purpose).find(|key| key.state == KeyState::Active).ok_or(KeyError::Missing(purpose))
    }

    /// The active signing key of one purpose.
    ///
    /// # Errors
    /// When there is none, or it is malformed.
    pub fn signing_key(&self, purpose: Purpose) -> Result<SigningKey, KeyError> {
        let key = self.active(purpose)?;
        SigningKey::from_seed(key.id, &key.secret)
    }

    /// Seals with the active key of one purpose, opens with all of them.
    ///
    /// # Errors
    /// When there is no active one, or one is malformed.
    pub fn sealer(&self, purpose: Purpose) -> Result<Sealer, KeyError> {
        Sealer::new(self.active(purpose)?.id, self.secrets(purpose))
    }

    /// Opens seeds.
    ///
    /// # Errors
    /// When a key is malformed.
    pub fn seed_opener(&self) -> Result<SeedOpener, KeyError> {
        SeedOpener::new(self.secrets(Purpose::SeedOpening))
    }

    /// Keeps and compares codes.
    ///
    /// # Errors
    /// When there is no active key for it.
    pub fn code_mac(&self) -> Result<CodeMac, KeyError> {
        CodeMac::new(self.active(Purpose::CodeMac)?.id, self.secrets(Purpose::CodeMac))
    }

    /// The shared keys that belong to these: all that may have signed or will sign; of those that
    /// seeds are sealed with only the active one.
    ///
    /// # Errors
    /// When a key is malformed.
    pub fn public_keys(&self) -> Result<Vec<PublicKey>, KeyError> {
        self.keys.iter().filter_map(public_key).collect()
    }

    /// Carries out what [`rotation::handle`](crate::rotation::handle) decided; raises the
    /// generation if that is anything.
    pub fn apply(&mut self, commands: &[Command], now: Timestamp) {
        if !commands.is_empty() {
            self.generation = self.generation.saturating_add(1);
        }
        for command in commands {
            match command {
                Command::Add { purpose, state } => self.add(*purpose, *state, now),
                Command::Activate(id) => self.enter(*id, KeyState::Active, now),
                Command::Retire(id) => self.enter(*id, KeyState::Retired, now),
                Command::Forget(id) => self.keys.retain(|key| key.id != *id),
            }
        }
    }

    fn add(&mut self, purpose: Purpose, state: KeyState, now: Timestamp) {
        let secret = match purpose {
            Purpose::SeedOpening => seed::generate(),
            _ => Secret::new(random::bytes()),
        };
        let (id, since_generation) = (random::new_id(now), self.generation);
        self.keys.push(BundleKey { id, purpose, state, since: now, since_generation, secret });
    }

    fn enter(&mut self, id: Id<Key>, state: KeyState, now: Timestamp) {
        for key in self.keys.iter_mut().filter(|key| key.id == id) {
            (key.state, key.since, key.since_generation) = (state, now, self.generation);
        }
    }

    fn secrets(&self, purpose: Purpose) -> impl Iterator<Item = (Id<Key>, &Secret<[u8; 32]>)> {
        self.of(purpose).map(|key| (key.id, &key.secret))
    }
}

fn public_key(key: &BundleKey) -> Option<Result<PublicKey, KeyError>> {
    match (key.purpose.shared()?, key.state) {
        (KeyPurpose::SeedSealing, KeyState::Active) => Some(seed::public_key(key.id, &key.secret)),
        (KeyPurpose::SeedSealing, _) => None,
        (purpose, _) => Some(SigningKey::from_seed(key.id, &key.secret).map(|k| k.public_key(purpose))),
    }
}

#[cfg(test)]
mod tests;
