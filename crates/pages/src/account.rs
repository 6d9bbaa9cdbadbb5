//! A user's own account: password, soft tokens, recovery codes, sessions.

use askama::Template;

use crate::components::{Moment, Notice, Viewer, closed};
use crate::qr::QrCode;
use crate::{Page, samples};

closed!(EnrolSoftToken, NewRecoveryCodes);

/// What there is.
#[derive(Debug, Clone, Template)]
#[template(path = "account/overview.html")]
pub struct Overview {
    /// Who is looking.
    pub viewer: Viewer,
    /// What has just happened.
    pub notice: Option<Notice>,
    /// The e-mail address, if known.
    pub email: Option<String>,
    /// When the password was set; `None`: there is none.
    pub password_set: Option<Moment>,
    /// How many authenticator apps.
    pub soft_tokens: usize,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
    /// How many sessions.
    pub sessions: usize,
}

/// A new password.
#[derive(Debug, Clone, Template)]
#[template(path = "account/password.html")]
pub struct ChangePassword {
    /// Who is looking.
    pub viewer: Viewer,
    /// What has just happened.
    pub notice: Option<Notice>,
    /// The shortest password that is accepted, in characters.
    pub shortest: usize,
}

/// The authenticator apps.
#[derive(Debug, Clone, Template)]
#[template(path = "account/soft-tokens.html")]
pub struct SoftTokens {
    /// Who is looking.
    pub viewer: Viewer,
    /// What has just happened.
    pub notice: Option<Notice>,
    /// The apps.
    pub soft_tokens: Vec<SoftToken>,
}

/// An authenticator app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftToken {
    /// Its credential's id.
    pub id: String,
    /// What the user calls it.
    pub label: String,
    /// When it was bound.
    pub added: Moment,
    /// When it was used last.
    pub used: Option<Moment>,
}

/// Binding another authenticator app.
#[derive(Clone, Template)]
#[template(path = "account/enrol.html")]
pub struct EnrolSoftToken {
    /// Who is looking.
    pub viewer: Viewer,
    /// What has just happened.
    pub notice: Option<Notice>,
    /// The enrolment, posted back unchanged.
    pub enrolment: String,
    /// The seed as a picture.
    pub qr: QrCode,
    /// The seed to type, in groups of four.
    pub secret: String,
    /// The seed as an address, for apps on the same device.
    pub otpauth: String,
}

/// How many recovery codes are left.
#[derive(Debug, Clone, Template)]
#[template(path = "account/recovery-codes.html")]
pub struct RecoveryCodes {
    /// Who is looking.
    pub viewer: Viewer,
    /// How many are left.
    pub remaining: usize,
    /// When they were made.
    pub made: Option<Moment>,
}

/// The new codes, shown once.
#[derive(Clone, Template)]
#[template(path = "account/new-recovery-codes.html")]
pub struct NewRecoveryCodes {
    /// Who is looking.
    pub viewer: Viewer,
    /// The codes.
    pub codes: Vec<String>,
}

/// The user's sessions.
#[derive(Debug, Clone, Template)]
#[template(path = "account/sessions.html")]
pub struct Sessions {
    /// Who is looking.
    pub viewer: Viewer,
    /// What has just happened.
    pub notice: Option<Notice>,
    /// The sessions, the present one first.
    pub sessions: Vec<OwnSession>,
}

/// One of the user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// Its id.
    pub id: String,
    /// Whether it is the one that is looking.
    pub is_this: bool,
    /// When it was opened.
    pub opened: Moment,
    /// When it was used last, to about a minute.
    pub seen: Option<Moment>,
    /// When it ends whatever happens.
    pub ends: Moment,
    /// The address it was opened from.
    pub client: Option<String>,
    /// What was proven.
    pub factors: Vec<String>,
}

impl OwnSession {
    /// What was proven, as one line.
    #[must_use]
    pub fn proven(&self) -> String {
        self.factors.join(", ")
    }
}

impl Page for Overview {
    fn samples() -> Vec<Self> {
        let page = |email: Option<&str>, password_set, soft_tokens, recovery_codes| Self {
            viewer: samples::viewer(),
            notice: None,
            email: email.map(str::to_owned),
            password_set,
            soft_tokens,
            recovery_codes,
            sessions: 2,
        };
        vec![
            page(Some("alice@example.com"), Some(samples::MOMENT), 1, 8),
            Self { notice: Some(Notice::success("Your password was changed.")), ..page(None, None, 0, 0) },
        ]
    }
}

impl Page for ChangePassword {
    fn samples() -> Vec<Self> {
        let page = |notice| Self { viewer: samples::viewer(), notice, shortest: 10 };
        vec![page(None), page(Some(Notice::problem("This password is among the most common ones.")))]
    }
}

impl Page for SoftTokens {
    fn samples() -> Vec<Self> {
        let token = |label: &str, used| SoftToken {
            id: "credential_0190c7a3e5b07c3aa4f28c1d9e6b7f00".to_owned(),
            label: label.to_owned(),
            added: samples::MOMENT,
            used,
        };
        let page = |soft_tokens| Self { viewer: samples::viewer(), notice: None, soft_tokens };
        vec![
            page(vec![token("Authenticator app", Some(samples::MOMENT)), token(samples::HOSTILE, None)]),
            Self { notice: Some(Notice::success("The app was removed.")), ..page(Vec::new()) },
        ]
    }
}

impl Page for EnrolSoftToken {
    fn samples() -> Vec<Self> {
        let page = |notice| Self {
            viewer: samples::viewer(),
            notice,
            enrolment: "sealed".to_owned(),
            qr: samples::qr(),
            secret: "JBSW Y3DP EHPK 3PXP".to_owned(),
            otpauth: samples::OTPAUTH.to_owned(),
        };
        vec![page(None), page(Some(Notice::problem("This code is not right. Try the next one.")))]
    }
}

impl Page for RecoveryCodes {
    fn samples() -> Vec<Self> {
        let page = |remaining, made| Self { viewer: samples::viewer(), remaining, made };
        vec![page(8, Some(samples::MOMENT)), page(0, None)]
    }
}

impl Page for NewRecoveryCodes {
    fn samples() -> Vec<Self> {
        let codes = (10..20).map(|n| format!("k3v{n}-9wq{n}")).collect();
        vec![Self { viewer: samples::viewer(), codes }]
    }
}

impl Page for Sessions {
    fn samples() -> Vec<Self> {
        let session = |is_this, client: Option<&str>| OwnSession {
            id: "session_0190c7a3e5b07c3aa4f28c1d9e6b7f00".to_owned(),
            is_this,
            opened: samples::MOMENT,
            seen: client.is_some().then_some(samples::MOMENT),
            ends: samples::MOMENT,
            client: client.map(str::to_owned),
            factors: vec!["password".to_owned(), "totp".to_owned()],
        };
        let sessions =
            vec![session(true, Some("192.0.2.7")), session(false, Some("2001:db8::7")), session(false, None)];
        let viewer = samples::viewer();
        vec![
            Self { viewer: viewer.clone(), notice: None, sessions },
            Self {
                viewer,
                notice: Some(Notice::success("The session was ended.")),
                sessions: vec![session(true, None)],
            },
        ]
    }
}
