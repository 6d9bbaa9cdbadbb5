//! What the machine is told.

use evergate_model::id::Session;
use evergate_model::{Factor, Id, Secret, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use crate::progress::{Account, Enrolment};

/// What a form brought.
#[derive(Debug)]
pub struct Submission {
    /// The name, on the first page.
    pub name: String,
    /// The password, where it was asked for.
    pub password: Secret<String>,
    /// A code of any kind.
    pub code: Secret<String>,
    /// Another factor that the user would rather use.
    pub uses: Option<Factor>,
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// The first page is asked for.
    Begun,
    /// A page was posted.
    Submitted(Submission),
    /// Who the name is, or a decoy.
    Identified(Account),
    /// What came of a check.
    Judged(Judgement),
    /// A code is on its way, or seems so to whoever has no address.
    CodeSent,
    /// What the user can prove themselves with.
    MeansFound(Means),
    /// A soft token was made, to be confirmed.
    EnrolmentBegun(Enrolment),
    /// There is a session with everything proven so far.
    SessionOpened(Id<Session>),
    /// The session that was to be stepped up has ended.
    SessionGone,
    /// The user may not have a session: locked meanwhile.
    SessionRefused,
    /// What policy says of the target now.
    Decided(Verdict),
    /// The address at which the target's host takes the session over.
    HandedOver(String),
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// Right.
    Right,
    /// Wrong.
    Wrong,
    /// Right, but it was used before.
    Used,
    /// The code or the enrolment it belongs to is no more.
    Gone,
    /// Too many failures: nothing was checked.
    Paused {
        /// When the pause ends.
        until: Timestamp,
    },
}

/// What a user can prove themselves with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Whether an administrator has locked the account.
    pub is_locked: bool,
    /// A password.
    pub password: bool,
    /// A soft token.
    pub totp: bool,
    /// Whether a first soft token may be bound in this sign-in.
    pub may_enrol_totp: bool,
    /// An e-mail address.
    pub email: bool,
    /// Unused recovery codes.
    pub recovery_codes: bool,
}

impl Means {
    /// As if the user had everything: what is assumed while nothing has been proven, so that the
    /// pages tell nothing about the account.
    pub const EVERYTHING: Self = Self {
        is_locked: false,
        password: true,
        totp: true,
        may_enrol_totp: false,
        email: true,
        recovery_codes: true,
    };

    /// Whether the user can prove this factor now.
    #[must_use]
    pub const fn allow(&self, factor: &Factor) -> bool {
        match factor {
            Factor::Password => self.password,
            Factor::Totp => self.totp,
            Factor::EmailCode => self.email,
            Factor::RecoveryCode => self.recovery_codes,
            Factor::Passkey | Factor::Certificate | Factor::Method(_) => false,
        }
    }
}
