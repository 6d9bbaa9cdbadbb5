//! How signing in and signing out end.

use askama::Template;

use crate::{Page, components::Viewer, samples};

/// Goes on by itself to where the user was on the way. A page rather than a redirect: browsers
/// apply `form-action` to redirects that follow a form.
#[derive(Debug, Clone, Template)]
#[template(path = "continue.html")]
pub struct Continue {
    /// Where to; made by us, absolute or on this host.
    pub url: String,
    /// The host, as people read it.
    pub destination: String,
}

/// Asks whether to sign out.
#[derive(Debug, Clone, Template)]
#[template(path = "sign-out.html")]
pub struct SignOut {
    /// Who is signed in.
    pub viewer: Viewer,
}

/// The session has ended.
#[derive(Debug, Clone, Template)]
#[template(path = "signed-out.html")]
pub struct SignedOut {}

impl Page for Continue {
    fn samples() -> Vec<Self> {
        vec![
            Self {
                url: "https://wiki.example.com/.evergate/session?handover=handover_0190&path=%2Fa%3Fb"
                    .to_owned(),
                destination: "wiki.example.com".to_owned(),
            },
            Self { url: format!("/{}", samples::HOSTILE), destination: samples::HOSTILE.to_owned() },
        ]
    }
}

impl Page for SignOut {
    fn samples() -> Vec<Self> {
        vec![Self { viewer: samples::viewer() }]
    }
}

impl Page for SignedOut {
    fn samples() -> Vec<Self> {
        vec![Self {}]
    }
}
