//! Pages that end a way: denied, locked, too many, expired, unavailable, not found, an error. The
//! wording stands here, so that the same thing is said everywhere and nothing more is said than
//! the user may know.

use askama::Template;

use crate::{Page, samples};

/// What is sent where even a page cannot be made.
pub(crate) const UNRENDERABLE: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <title>Error</title></head><body><h1>This page could not be made</h1></body></html>";

/// A page with one thing to say and perhaps one way on.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "message.html")]
pub struct Message {
    /// The heading.
    pub heading: String,
    /// The explanation.
    pub text: String,
    /// What to do.
    pub advice: Option<String>,
    /// The request's id, for the administrator.
    pub request: Option<String>,
    /// The way on.
    pub link: Option<Link>,
}

/// A way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where to.
    pub url: String,
    /// What it says.
    pub label: String,
}

impl Message {
    /// A page with this heading and explanation.
    pub fn new(heading: impl Into<String>, text: impl Into<String>) -> Self {
        Self { heading: heading.into(), text: text.into(), advice: None, request: None, link: None }
    }

    /// The rule does not let this user in.
    #[must_use]
    pub fn denied(reason: &str) -> Self {
        Self {
            advice: Some("If you should have access, ask your administrator.".to_owned()),
            ..Self::new("You do not have access", reason)
        }
        .with_portal_link()
    }

    /// Too many failures for this name from this address. Said for unknown names too.
    #[must_use]
    pub fn locked(minutes: u64) -> Self {
        let unit = if minutes == 1 { "minute" } else { "minutes" };
        Self::new(
            "Too many attempts",
            format!("Signing in by this name is paused. Wait {minutes} {unit}, then try again."),
        )
        .again("/sign-in")
    }

    /// More than can be worked on now.
    #[must_use]
    pub fn busy() -> Self {
        Self::new("Very busy at the moment", "Nothing was changed. Try again in a few seconds.")
    }

    /// Something behind cannot be reached.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(
            "Not possible at the moment",
            "A part of the service that is needed for this does not answer. Nothing was changed. Try again shortly.",
        )
    }

    /// The form is older than ten minutes, or belongs to another browser.
    #[must_use]
    pub fn expired() -> Self {
        Self::new("Signing in took too long", "This page is no longer valid. Start again.").again("/sign-in")
    }

    /// A form that we did not make, or made for another session.
    #[must_use]
    pub fn foreign_form() -> Self {
        Self::new(
            "This form cannot be used",
            "It was made for another session, or comes from another site. Nothing was changed.",
        )
        .with_portal_link()
    }

    /// A request that makes no sense.
    #[must_use]
    pub fn malformed(what: &str) -> Self {
        Self::new("This request cannot be understood", what).with_portal_link()
    }

    /// There is no such page.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new("There is no such page", "The address may be wrong, or the page is gone.")
            .with_portal_link()
    }

    /// A fault of ours.
    #[must_use]
    pub fn error() -> Self {
        Self::new("Something went wrong", "The fault is on this side and has been recorded.")
            .with_portal_link()
    }

    /// The same, naming the request.
    #[must_use]
    pub fn for_request(self, request: impl ToString) -> Self {
        Self { request: Some(request.to_string()), ..self }
    }

    /// The same, with a link that begins again.
    #[must_use]
    pub fn again(self, url: &str) -> Self {
        Self { link: Some(Link { url: url.to_owned(), label: "Start again".to_owned() }), ..self }
    }

    fn with_portal_link(self) -> Self {
        Self { link: Some(Link { url: "/".to_owned(), label: "Go to your applications".to_owned() }), ..self }
    }
}

impl Page for Message {
    fn samples() -> Vec<Self> {
        let request = "request_0190c7a3e5b07c3aa4f28c1d9e6b7f00";
        vec![
            Self::denied("You are not in a group that this application is for.").for_request(request),
            Self::denied(samples::HOSTILE),
            Self::locked(15),
            Self::busy(),
            Self::unavailable().for_request(request),
            Self::expired(),
            Self::foreign_form(),
            Self::malformed("The address to return to is not one of ours."),
            Self::not_found(),
            Self::error().for_request(request),
        ]
    }
}
