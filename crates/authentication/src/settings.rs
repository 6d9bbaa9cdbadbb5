//! What this service reads of a snapshot.

use std::collections::BTreeMap;

use evergate_model::configuration::{Configuration, SignInLimits};
use evergate_model::snapshot::{Part, Snapshot};
use evergate_model::{Host, Name};
use evergate_store::attempts::Limits;
use evergate_tokens::Verifier;

/// What this service goes by.
#[derive(Debug)]
pub struct Settings {
    /// The host of these pages.
    pub portal: Host,
    /// The port browsers use; `None`: 443.
    port: Option<u16>,
    /// The hosts of the resources.
    published: BTreeMap<Host, Name>,
    /// How often somebody may be wrong.
    pub limits: SignInLimits,
    /// Verifies the portal's session tokens.
    pub verifier: Verifier,
}

/// Why a snapshot cannot be gone by.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is an access point's.
    #[error("the snapshot is another service's")]
    OtherService,
    /// A session-token key in it is none.
    #[error("the snapshot's keys cannot be used")]
    Keys(#[from] evergate_tokens::KeyRingError),
}

impl Settings {
    /// What a snapshot says.
    ///
    /// # Errors
    /// When it is not for this service, or its keys cannot be used.
    pub fn from_snapshot(snapshot: &Snapshot) -> Result<Self, SettingsError> {
        let Part::Internal(part) = &snapshot.part else { return Err(SettingsError::OtherService) };
        Ok(Self::new(&part.configuration, Verifier::from_public_keys(&snapshot.public_keys)?))
    }

    /// What a configuration says, with a verifier of session tokens.
    #[must_use]
    pub fn new(configuration: &Configuration, verifier: Verifier) -> Self {
        let published = configuration
            .resources
            .iter()
            .flat_map(|(name, resource)| resource.hosts.iter().map(|host| (host.clone(), name.clone())))
            .collect();
        Self {
            portal: configuration.portal_host.clone(),
            port: configuration.public_port.filter(|port| *port != 443),
            published,
            limits: configuration.sign_in.clone(),
            verifier,
        }
    }

    /// Whether a resource answers on that host; nobody is sent anywhere else.
    #[must_use]
    pub fn publishes(&self, host: &Host) -> bool {
        self.published.contains_key(host)
    }

    /// `https://HOST` with the port, as in `Origin`.
    #[must_use]
    pub fn origin(&self, host: &Host) -> String {
        match self.port {
            None => format!("https://{host}"),
            Some(port) => format!("https://{host}:{port}"),
        }
    }

    /// The limits of guessing at a password.
    #[must_use]
    pub fn password_limits(&self) -> Limits {
        Limits {
            failures: self.limits.failures,
            failures_per_user: self.limits.failures_per_user,
            failures_per_address: Some(self.limits.of_an_address()),
            pause: self.limits.pause.as_duration(),
        }
    }

    /// The limits of guessing at a code. Codes are short, and where one stands behind a password
    /// only its owner comes that far: the limit per user can be low without locking anybody out.
    #[must_use]
    pub fn code_limits(&self) -> Limits {
        let failures_per_user = self.limits.failures.saturating_mul(2).min(self.limits.failures_per_user);
        Limits { failures_per_user, ..self.password_limits() }
    }
}
