//! What the pages' samples have in common, and all of them rendered in one list.

use evergate_model::Timestamp;

use crate::components::{Moment, Notice, Viewer};
use crate::console::{CandidateRow, EventRow, Health, InstanceRow, InstancesLive, LinkRow};
use crate::qr::QrCode;
use crate::sign_in::{OtherWay, Step};
use crate::{Page, account, console, finish, message, portal, sign_in};

/// A rendered sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The page and which of its samples: `sign-in-name-1`.
    pub name: String,
    /// The page.
    pub html: String,
}

/// Every sample of every page.
#[must_use]
pub fn all_samples() -> Vec<Sample> {
    let mut all = Vec::new();
    add::<sign_in::NameStep>("sign-in-name", &mut all);
    add::<sign_in::PasswordStep>("sign-in-password", &mut all);
    add::<sign_in::CodeStep>("sign-in-code", &mut all);
    add::<sign_in::EnrolStep>("sign-in-enrol", &mut all);
    add::<sign_in::Invitation>("invitation", &mut all);
    add::<finish::Continue>("continue", &mut all);
    add::<finish::SignOut>("sign-out", &mut all);
    add::<finish::SignedOut>("signed-out", &mut all);
    add::<message::Message>("message", &mut all);
    add::<portal::Portal>("portal", &mut all);
    add::<account::Overview>("account", &mut all);
    add::<account::ChangePassword>("account-password", &mut all);
    add::<account::SoftTokens>("account-soft-tokens", &mut all);
    add::<account::EnrolSoftToken>("account-enrol", &mut all);
    add::<account::RecoveryCodes>("account-recovery-codes", &mut all);
    add::<account::NewRecoveryCodes>("account-new-recovery-codes", &mut all);
    add::<account::Sessions>("account-sessions", &mut all);
    add::<console::ConsoleSignIn>("console-sign-in", &mut all);
    add::<console::Instances>("console-instances", &mut all);
    all
}

fn add<P: Page>(name: &str, all: &mut Vec<Sample>) {
    for (index, page) in P::samples().iter().enumerate() {
        all.push(Sample { name: format!("{name}-{}", index + 1), html: page.html() });
    }
}

/// A text that breaks out of any place where it is not escaped.
pub(crate) const HOSTILE: &str = "\"'><script>alert(1)</script>";
pub(crate) const OTPAUTH: &str =
    "otpauth://totp/Evergate:alice?secret=JBSWY3DPEHPK3PXP&issuer=Evergate&digits=6&period=30";
pub(crate) const MOMENT: Moment = Moment(Timestamp::from_seconds(1_795_350_600));

pub(crate) fn viewer() -> Viewer {
    Viewer { name: "alice".to_owned(), token: "t0k3n".to_owned() }
}

pub(crate) fn step() -> Step {
    Step {
        progress: "sealed-progress".to_owned(),
        destination: Some("wiki.example.com".to_owned()),
        notice: None,
    }
}

pub(crate) fn step_with_problem() -> Step {
    Step { notice: Some(Notice::problem("That was not right. Please try again.")), ..step() }
}

pub(crate) fn other_ways() -> Vec<OtherWay> {
    let way = |factor: &str, label: &str| OtherWay { factor: factor.to_owned(), label: label.to_owned() };
    vec![way("email-code", "Send a code by mail"), way("recovery-code", "Use a recovery code")]
}

pub(crate) fn qr() -> QrCode {
    QrCode::of(OTPAUTH).unwrap_or(QrCode { size: 0, path: String::new() })
}

pub(crate) fn instances_live() -> InstancesLive {
    let instances = ["administration", "policy", "authentication", "distribution", "access-point"]
        .iter()
        .flat_map(|service| (1..=2_u32).map(move |number| instance(service, number)))
        .collect();
    InstancesLive {
        at: MOMENT,
        version: 12,
        instances,
        links: vec![link("access-point1", "policy"), link("access-point2", "authentication")],
        events: vec![EventRow {
            at: MOMENT,
            instance: "access-point1".to_owned(),
            text: "policy: moved from policy1 to policy2 after 3 ms: connection refused".to_owned(),
        }],
    }
}

fn instance(service: &str, number: u32) -> InstanceRow {
    let (state, health) = match (service, number) {
        ("policy", 1) => ("silent", Health::Bad),
        ("distribution", 2) => ("degraded", Health::Fair),
        _ => ("ready", Health::Good),
    };
    InstanceRow {
        name: format!("{service}{number}"),
        service: service.to_owned(),
        node: "node-a".to_owned(),
        priority: number,
        state: state.to_owned(),
        health,
        is_active: (number == 1) != (service == "policy"),
        address: format!("127.0.0.1:4000{number}"),
        software: "1.0.0".to_owned(),
        configuration: (health != Health::Bad).then_some(12),
        keys: Some(3),
        since: (health != Health::Bad).then_some(MOMENT),
    }
}

fn link(from: &str, to: &str) -> LinkRow {
    let candidate = |number: u32, state: &str, health, is_active| CandidateRow {
        instance: format!("{to}{number}"),
        state: state.to_owned(),
        health,
        is_active,
    };
    LinkRow {
        from: from.to_owned(),
        to: to.to_owned(),
        candidates: vec![candidate(1, "down", Health::Bad, false), candidate(2, "up", Health::Good, true)],
        failovers: 1,
        last: Some("connection refused, 3 ms".to_owned()),
    }
}
