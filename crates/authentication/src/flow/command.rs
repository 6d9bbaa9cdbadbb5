//! What the machine says is to be done, and which pages there are.

use evergate_model::factor::ProvenFactor;
use evergate_model::{Factor, Secret, Timestamp};

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// Find out who the name is.
    Identify {
        /// The name as typed.
        name: String,
    },
    /// Check a proof, within the limits.
    Check {
        /// Of what.
        factor: Factor,
        /// The password or code.
        proof: Secret<String>,
    },
    /// Confirm the soft token that was shown with its first code.
    ConfirmEnrolment {
        /// The code.
        code: Secret<String>,
    },
    /// Send a code by e-mail.
    SendCode,
    /// Find out what the user has.
    LookUpMeans,
    /// Make a soft token.
    BeginEnrolment,
    /// Open a session, or add to the one there is, what was proven.
    Finish {
        /// What was proven.
        factors: Vec<ProvenFactor>,
    },
    /// Ask policy about the target again.
    Decide,
    /// Carry the session to the target's host.
    HandOver,
    /// Answer with a page; the course ends here.
    Show(View),
}

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// The first page.
    Name {
        /// What was typed before.
        name: String,
        /// Whether it asks for the password too.
        asks_password: bool,
        /// What went wrong.
        note: Option<Note>,
    },
    /// One factor.
    Factor {
        /// Which.
        factor: Factor,
        /// What would do as well.
        others: Vec<Factor>,
        /// What went wrong.
        note: Option<Note>,
    },
    /// A new soft token.
    Enrol {
        /// What went wrong.
        note: Option<Note>,
    },
    /// Done: go on there.
    Continue {
        /// Absolute, or a path of the portal.
        url: String,
    },
    /// No.
    Denied {
        /// What the user may know.
        reason: String,
    },
    /// Too many failures.
    Paused {
        /// When the pause ends.
        until: Timestamp,
    },
    /// Begin again.
    Expired,
}

/// What went wrong with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A field was empty.
    Missing,
    /// Name and password do not belong together.
    WrongPassword,
    /// The code is not right.
    WrongCode,
    /// The code was right and has been used.
    UsedCode,
}
