//! The administrators' console: its sign-in, its frame, and the page of instances and links.
//!
//! The tables of [`Instances`] are a fragment of their own, [`InstancesLive`]: the page holds it
//! when it is loaded, and the administration service sends it again, rendered, as a server-sent
//! event whenever it has changed. Without a script the page is complete and simply stands still.

use askama::Template;

use crate::components::{Moment, Notice, closed};
use crate::{Page, samples};

/// Signing in to the console.
#[derive(Debug, Clone, Template)]
#[template(path = "console/sign-in.html")]
pub struct ConsoleSignIn {
    /// Bound to the browser's nonce cookie; posted as `token`.
    pub token: String,
    /// The name as typed before.
    pub name: String,
    /// What has just happened.
    pub notice: Option<Notice>,
}

closed!(Frame);

/// What every page of the console shows around its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The administrator's name.
    pub name: String,
    /// Proves that a form was made by us for this session; posted as `token`.
    pub token: String,
    /// The administration instance that made the page.
    pub instance: String,
    /// What every administrator should know now: the demo exists, the database is away.
    pub warnings: Vec<String>,
}

/// The page of instances and links.
#[derive(Debug, Clone, Template)]
#[template(path = "console/instances.html")]
pub struct Instances {
    /// Around it.
    pub frame: Frame,
    /// Where the server-sent events come from.
    pub live_url: String,
    /// The tables.
    pub live: InstancesLive,
}

/// The tables of the page of instances: the text of one server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "console/instances-live.html")]
pub struct InstancesLive {
    /// When the figures were collected.
    pub at: Moment,
    /// The published configuration version.
    pub version: u64,
    /// The instances, in the order of the topology.
    pub instances: Vec<InstanceRow>,
    /// The links between services.
    pub links: Vec<LinkRow>,
    /// The latest changes, newest first.
    pub events: Vec<EventRow>,
}

/// How something does, with the word that says so (colour alone never does).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// As it should be.
    Good,
    /// Works, with something to look at.
    Fair,
    /// Does not work.
    Bad,
}

impl Health {
    /// The style sheet's word.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Bad => "bad",
        }
    }
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub service: String,
    /// Its node.
    pub node: String,
    /// Its priority.
    pub priority: u32,
    /// `ready`, `degraded`, `draining`, `silent` and the like.
    pub state: String,
    /// How to colour the state.
    pub health: Health,
    /// Whether it is the one callers use, or the active administration.
    pub is_active: bool,
    /// Where its callers reach it.
    pub address: String,
    /// The software's version.
    pub software: String,
    /// The configuration version it has applied.
    pub configuration: Option<u64>,
    /// The generation of its keys.
    pub keys: Option<u64>,
    /// Since when it runs.
    pub since: Option<Moment>,
}

/// A link: one caller's ordered pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// The calling instance.
    pub from: String,
    /// What it calls: a service or a resource.
    pub to: String,
    /// The instances it may use, in order.
    pub candidates: Vec<CandidateRow>,
    /// How often it moved.
    pub failovers: u64,
    /// The last move: cause and duration, as one line.
    pub last: Option<String>,
}

/// One candidate of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    /// The instance.
    pub instance: String,
    /// `up`, `suspect`, `down`, `draining`.
    pub state: String,
    /// How to colour it.
    pub health: Health,
    /// Whether it gets the calls.
    pub is_active: bool,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// When.
    pub at: Moment,
    /// Who saw it.
    pub instance: String,
    /// What, as one sentence.
    pub text: String,
}

impl Page for ConsoleSignIn {
    fn samples() -> Vec<Self> {
        let page = |name: &str, notice| Self { token: "t0k3n".to_owned(), name: name.to_owned(), notice };
        vec![
            page("", None),
            page(samples::HOSTILE, Some(Notice::problem("This name and password do not belong together."))),
        ]
    }
}

impl Page for Instances {
    fn samples() -> Vec<Self> {
        let frame = Frame {
            name: "admin".to_owned(),
            token: "t0k3n".to_owned(),
            instance: "administration1".to_owned(),
            warnings: vec!["The demo exists: anyone on this machine knows alice's password.".to_owned()],
        };
        let live_url = "/instances/live".to_owned();
        let empty = InstancesLive {
            instances: Vec::new(),
            links: Vec::new(),
            events: Vec::new(),
            ..samples::instances_live()
        };
        vec![
            Self { frame: frame.clone(), live_url: live_url.clone(), live: samples::instances_live() },
            Self { frame: Frame { warnings: Vec::new(), ..frame }, live_url, live: empty },
        ]
    }
}
