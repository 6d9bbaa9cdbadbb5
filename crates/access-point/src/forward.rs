//! Phase 4: sends a request on, which takes a [`Permit`]: there is no other way out of here.

pub(crate) mod application;
pub(crate) mod headers;
pub(crate) mod latency;
pub(crate) mod pages;
pub(crate) mod pool;
pub(crate) mod sending;
pub(crate) mod server;
pub(crate) mod upstreams;
pub(crate) mod websocket;

use std::net::IpAddr;
use std::sync::Arc;

use evergate_model::id::{Id, Request as RequestKind};
use evergate_process::Clock;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;

use crate::accept::Asked;
use crate::accept::guard::Activity;
use crate::body::Body;
use crate::decide::{Destination, Permit};
use crate::settings::Settings;
use pages::Pages;
use pool::Pool;
use server::Connector;

/// A request on its way out.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// Its head, as received.
    pub(crate) head: Parts,
    /// Its body.
    pub(crate) body: Incoming,
    /// What it asks for.
    pub(crate) asked: Arc<Asked>,
    /// The client's address.
    pub(crate) client: IpAddr,
    /// Its id, the same on every repetition.
    pub(crate) id: Id<RequestKind>,
    /// The connection that it came by.
    pub(crate) activity: Arc<Activity>,
}

/// Why there is no answer from behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    /// No server could be reached.
    #[error("no server of `{link}` could be reached: {why}")]
    Unreachable {
        /// The pool.
        link: String,
        /// How the last attempt ended.
        why: String,
    },
    /// The server that had the request went away, and it must not be sent twice.
    #[error("a server of `{link}` broke off: {why}")]
    Lost {
        /// The pool.
        link: String,
        /// How.
        why: String,
    },
    /// The server did not begin to answer in time.
    #[error("a server of `{link}` did not answer in time")]
    TimedOut {
        /// The pool.
        link: String,
    },
    /// The client did not send its body, or not properly.
    #[error("the client broke its body off")]
    Client,
    /// The body is longer than pages of ours take.
    #[error("the body is too long")]
    TooLong,
    /// No instance that makes the pages answers.
    #[error("no instance answers: {0}")]
    PagesAway(String),
}

impl ForwardError {
    /// The status that says so.
    #[must_use]
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => StatusCode::BAD_GATEWAY,
            Self::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Client => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::PagesAway(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What a serving thread forwards with.
#[derive(Clone)]
pub(crate) struct Forwarder {
    /// The thread's idle connections.
    pub(crate) pool: Arc<Pool>,
    /// How connections are made.
    pub(crate) connector: Arc<Connector>,
    /// Our own pages.
    pub(crate) pages: Arc<dyn Pages>,
    /// What time it is.
    pub(crate) clock: Clock,
    /// The limits.
    pub(crate) settings: Arc<Settings>,
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Forwarder")
    }
}

impl Forwarder {
    /// Sends the request where the permit leads, and answers what comes back.
    ///
    /// # Errors
    /// When nothing comes back.
    pub(crate) async fn forward(
        &self,
        permit: Permit,
        leaving: Leaving,
    ) -> Result<Response<Body>, ForwardError> {
        match permit.destination() {
            Destination::BuiltIn(pages) => self.to_pages(pages, leaving).await,
            Destination::Resource(_) if leaving.asked.is_websocket => {
                self.to_websocket(&permit, leaving).await
            }
            Destination::Resource(resource) => self.to_application(&permit, resource, leaving).await,
        }
    }
}
