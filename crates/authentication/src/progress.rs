//! How far a sign-in has come: sealed into the form itself, so that any instance takes the next
//! step and none has to remember.

use evergate_model::factor::{ProvenFactor, WantedFactor};
use evergate_model::id::{Session, SignIn, User};
use evergate_model::{Factor, Host, Id, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A sign-in must be finished within this time of its first page.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// How far a sign-in has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Which sign-in.
    pub sign_in: Id<SignIn>,
    /// SHA-256 of the browser's nonce cookie, hex: another browser cannot go on with it.
    pub browser: String,
    /// When its first page was made.
    pub started: Timestamp,
    /// Where it leads.
    pub target: Target,
    /// The sequences of factors of which one must be proven.
    pub sequences: Vec<Vec<WantedFactor>>,
    /// Who says to be signing in.
    pub account: Option<Account>,
    /// What was proven in this sign-in.
    pub proven: Vec<ProvenFactor>,
    /// The session that is stepped up; `None`: one will be opened.
    pub session: Option<Id<Session>>,
    /// The factor that the last page asked for.
    pub asked: Option<Factor>,
    /// The soft-token enrolment that the last page showed.
    pub enrolment: Option<Enrolment>,
}

/// Where a sign-in leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// A page of the portal host.
    Portal {
        /// Its path.
        path: String,
    },
    /// A resource.
    Resource {
        /// Its host, published when the sign-in began.
        host: Host,
        /// The path there, normalised.
        path: String,
        /// SHA-256 of the nonce that the access point set on that host, hex.
        nonce_hash: String,
    },
}

impl Target {
    /// The host to name on the pages; `None` for the portal itself.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        match self {
            Self::Portal { .. } => None,
            Self::Resource { host, .. } => Some(host),
        }
    }
}

/// Who says to be signing in. A name that nobody has gets a decoy, which goes through the same
/// steps and fails at every one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The name as typed, for the pages.
    pub name: String,
    /// The name under which attempts are counted.
    pub counted_as: String,
    /// The user's id, or the decoy's.
    pub user: Id<User>,
    /// Whether there is such a user.
    pub standing: Standing,
}

/// Whether there is such a user. Both are sealed in the same number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// There is.
    #[serde(rename = "u")]
    User,
    /// There is not.
    #[serde(rename = "d")]
    Decoy,
}

/// A soft token that is shown and not yet confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Its id, as distribution gave it.
    pub id: String,
    /// `otpauth://totp/...`, so that any instance can show it again.
    pub otpauth: String,
}

/// Why a progress that was posted is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProgressError {
    /// Not sealed by us, or with a key that is gone.
    #[error("the progress was not made by this installation")]
    Unknown,
    /// Older than [`LIFETIME`].
    #[error("the progress is too old")]
    Expired,
    /// Begun in another browser.
    #[error("the progress belongs to another browser")]
    OtherBrowser,
}

impl Progress {
    /// Whether it may still be gone on with, by a browser whose nonce hashes to `browser`.
    ///
    /// # Errors
    /// When it is too old, from the future, or another browser's.
    pub fn check(&self, browser: &str, now: Timestamp) -> Result<(), ProgressError> {
        if self.started.plus(LIFETIME) <= now || self.started > now.plus(Duration::from_secs(60)) {
            return Err(ProgressError::Expired);
        }
        // Both are hashes: comparing them byte by byte tells nothing of the nonce.
        if self.browser != browser {
            return Err(ProgressError::OtherBrowser);
        }
        Ok(())
    }
}
