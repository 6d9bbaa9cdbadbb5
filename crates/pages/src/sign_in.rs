//! The steps of signing in. Each is one form that posts `progress` back with one answer, so that
//! any authentication instance can take the next step.

use askama::Template;

use crate::components::{Notice, closed};
use crate::qr::QrCode;
use crate::{Page, samples};

closed!(EnrolStep, Invitation);

/// What every step carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The sealed progress, posted back unchanged.
    pub progress: String,
    /// The host the user is on the way to; absent: the portal.
    pub destination: Option<String>,
    /// What has just happened.
    pub notice: Option<Notice>,
}

/// The first step: who one is, and usually the password at once.
#[derive(Debug, Clone, Template)]
#[template(path = "sign-in/name.html")]
pub struct NameStep {
    /// What every step carries.
    pub step: Step,
    /// The name as typed before.
    pub name: String,
    /// Whether the password is asked for on the same page.
    pub asks_password: bool,
}

/// The password alone: after a name, or again before something that matters.
#[derive(Debug, Clone, Template)]
#[template(path = "sign-in/password.html")]
pub struct PasswordStep {
    /// What every step carries.
    pub step: Step,
    /// Whose password.
    pub name: String,
    /// Whether this confirms a session that stands, rather than opening one.
    pub confirms: bool,
    /// Other ways on.
    pub others: Vec<OtherWay>,
}

/// A code of six digits, or a recovery code.
#[derive(Debug, Clone, Template)]
#[template(path = "sign-in/code.html")]
pub struct CodeStep {
    /// What every step carries.
    pub step: Step,
    /// Whose code.
    pub name: String,
    /// Where the code comes from.
    pub kind: CodeKind,
    /// Other ways on.
    pub others: Vec<OtherWay>,
}

/// Where a code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// An authenticator app.
    Totp,
    /// A mail that has just been sent.
    EmailCode,
    /// The printed list.
    RecoveryCode,
}

impl CodeStep {
    /// The page's heading.
    #[must_use]
    pub const fn heading(&self) -> &'static str {
        match self.kind {
            CodeKind::Totp => "Enter the code from your app",
            CodeKind::EmailCode => "Check your mail",
            CodeKind::RecoveryCode => "Use a recovery code",
        }
    }

    /// The sentence below the heading. It never says whether the account or its address exists.
    #[must_use]
    pub const fn explanation(&self) -> &'static str {
        match self.kind {
            CodeKind::Totp => {
                "Open your authenticator app and type the six digits that it shows for Evergate."
            }
            CodeKind::EmailCode => {
                "If the account has an e-mail address, a code was sent to it. The code works once, for ten minutes."
            }
            CodeKind::RecoveryCode => "Type one of the codes that you put aside. Each works once.",
        }
    }

    /// The name of the field as people read it.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self.kind {
            CodeKind::Totp | CodeKind::EmailCode => "Code",
            CodeKind::RecoveryCode => "Recovery code",
        }
    }

    /// Whether the code is digits only.
    #[must_use]
    pub const fn is_numeric(&self) -> bool {
        matches!(self.kind, CodeKind::Totp | CodeKind::EmailCode)
    }

    /// Whether a new code can be asked for.
    #[must_use]
    pub const fn can_send_again(&self) -> bool {
        matches!(self.kind, CodeKind::EmailCode)
    }
}

/// Another factor that would do in place of the one asked for; a button of the same form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherWay {
    /// The factor, posted as `use`.
    pub factor: String,
    /// What the button says.
    pub label: String,
}

/// Binding an authenticator app, where the rule wants one and the account is new.
#[derive(Clone, Template)]
#[template(path = "sign-in/enrol.html")]
pub struct EnrolStep {
    /// What every step carries.
    pub step: Step,
    /// Whose app.
    pub name: String,
    /// The seed as a picture.
    pub qr: QrCode,
    /// The seed to type, in groups of four.
    pub secret: String,
    /// The seed as an address, for apps on the same device.
    pub otpauth: String,
}

/// Accepting an invitation: the first password.
#[derive(Clone, Template)]
#[template(path = "sign-in/invitation.html")]
pub struct Invitation {
    /// The invitation's token, posted back unchanged.
    pub invitation: String,
    /// Who is invited.
    pub name: String,
    /// What has just happened.
    pub notice: Option<Notice>,
    /// The shortest password that is accepted, in characters.
    pub shortest: usize,
}

impl Page for NameStep {
    fn samples() -> Vec<Self> {
        let step = samples::step();
        vec![
            Self { step: step.clone(), name: String::new(), asks_password: true },
            Self {
                step: samples::step_with_problem(),
                name: samples::HOSTILE.to_owned(),
                asks_password: true,
            },
            Self { step: Step { destination: None, ..step }, name: String::new(), asks_password: false },
        ]
    }
}

impl Page for PasswordStep {
    fn samples() -> Vec<Self> {
        let name = "alice".to_owned();
        vec![
            Self {
                step: samples::step(),
                name: name.clone(),
                confirms: false,
                others: samples::other_ways(),
            },
            Self { step: samples::step_with_problem(), name, confirms: true, others: Vec::new() },
        ]
    }
}

impl Page for CodeStep {
    fn samples() -> Vec<Self> {
        let page = |kind, step| Self { step, name: "alice".to_owned(), kind, others: Vec::new() };
        vec![
            Self { others: samples::other_ways(), ..page(CodeKind::Totp, samples::step()) },
            page(CodeKind::Totp, samples::step_with_problem()),
            page(CodeKind::EmailCode, samples::step()),
            page(CodeKind::RecoveryCode, samples::step()),
        ]
    }
}

impl Page for EnrolStep {
    fn samples() -> Vec<Self> {
        let page = |step| Self {
            step,
            name: "alice".to_owned(),
            qr: samples::qr(),
            secret: "JBSW Y3DP EHPK 3PXP".to_owned(),
            otpauth: samples::OTPAUTH.to_owned(),
        };
        vec![page(samples::step()), page(samples::step_with_problem())]
    }
}

impl Page for Invitation {
    fn samples() -> Vec<Self> {
        let page =
            |notice| Self { invitation: "0f1e2d".to_owned(), name: "bob".to_owned(), notice, shortest: 10 };
        vec![page(None), page(Some(Notice::problem("This password is too short.")))]
    }
}
