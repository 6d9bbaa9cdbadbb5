//! The life of a request, on one page: accept, identify, decide, forward, record.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use evergate_model::id::{Id, Request as RequestKind};
use evergate_model::{Name, RequestFacts};
use evergate_process::names::Names;
use evergate_process::{Clock, Readiness};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::accept::guard::Activity as ConnectionActivity;
use crate::accept::{self, Asked};
use crate::answers::{self, Reader, Words};
use crate::body::Body;
use crate::decide::policy::{Denial, Policy};
use crate::decide::{Case, Decider, Permit, Ruling};
use crate::forward::pages::EndedSessions;
use crate::forward::{ForwardError, Forwarder, Leaving};
use crate::identify::{Caller, cookies};
use crate::record::activity::Activity;
use crate::record::counts::PROXY_REFUSED;
use crate::record::spool::Spool;
use crate::record::{self, Done};
use crate::site::{Resource, Site, Target};
use crate::{reserved, sign_in};

/// The longest description of a denied request, in characters.
const LONGEST_DETAIL: usize = 300;

/// What all serving threads share.
pub(crate) struct Shared {
    /// What is served.
    pub(crate) site: ArcSwap<Site>,
    /// Decides.
    pub(crate) decider: Arc<Decider>,
    /// The policy service.
    pub(crate) policy: Arc<dyn Policy>,
    /// Denials on their way to the audit log.
    pub(crate) spool: Arc<Spool>,
    /// Sessions in use.
    pub(crate) activity: Arc<Activity>,
    /// What time it is.
    pub(crate) clock: Clock,
    /// This access point's name.
    pub(crate) name: Name,
    /// Where the names of servers lead.
    pub(crate) names: Names,
    /// Whether it should be given work.
    pub(crate) readiness: Readiness,
    /// Whether it takes new connections.
    pub(crate) mode: watch::Receiver<Mode>,
}

/// Whether new connections are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Yes.
    Serving,
    /// Not on the shared socket; answers end their connections. It may serve again.
    Draining,
    /// No more.
    Stopping,
}

/// One serving thread's place for requests.
#[derive(Clone)]
pub(crate) struct Desk {
    shared: Arc<Shared>,
    forwarder: Forwarder,
}

impl std::ops::Deref for Desk {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// The connection that a request came by.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The client's address; a balancer's own where it is not named.
    pub(crate) client: IpAddr,
    /// Whether the client is known: else the connection is a balancer's own, which is told of readiness alone.
    pub(crate) is_named: bool,
    /// What its requests tell its guard.
    pub(crate) activity: Arc<ConnectionActivity>,
}

/// A request that has been taken in.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    origin: &'a Origin,
    head: &'a Parts,
    asked: &'a Asked,
    reader: Reader,
    id: Id<RequestKind>,
}

impl Desk {
    /// A thread's place, with its own connections to servers.
    #[must_use]
    pub(crate) const fn new(shared: Arc<Shared>, forwarder: Forwarder) -> Self {
        Self { shared, forwarder }
    }

    /// What is served now.
    #[must_use]
    pub(crate) fn site(&self) -> Guard<Arc<Site>> {
        self.site.load()
    }

    /// Whether this access point should be given work.
    #[must_use]
    pub(crate) fn is_ready(&self) -> bool {
        self.readiness.state().ready
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, origin: &Origin, request: Request<Incoming>) -> Response<Body> {
        let in_hand = origin.activity.begin();
        let version = request.version();
        let has_body = !request.body().is_end_stream();
        let (head, body) = request.into_parts();
        let mut answer = match accept::read(&head) {
            Ok(asked) => self.pass(origin, head, body, asked).await,
            Err(refusal) => refused(&head, refusal),
        };
        if version < Version::HTTP_2 && *self.mode.borrow() != Mode::Serving {
            close(&mut answer);
        }
        if has_body && answer.status().as_u16() >= 400 {
            origin.activity.linger();
        }
        if version == Version::HTTP_2 {
            answer.body_mut().tell(origin.activity.watch());
        }
        answer.body_mut().hold(in_hand);
        answer
    }

    /// The phases after the first.
    async fn pass(&self, origin: &Origin, head: Parts, body: Incoming, asked: Asked) -> Response<Body> {
        let id = Id::new(self.clock.now(), rand::random());
        let site = self.site.load_full();
        let target = site.target(&asked.host);
        if !origin.is_named && asked.path.path() != reserved::READY {
            return unnamed(&head, origin);
        }
        // The style sheets of the pages are the pages' own, also on the reserved paths.
        let is_asset = matches!(target, Some(Target::BuiltIn(_))) && asked.path.is_under(reserved::ASSETS);
        if asked.path.is_under(reserved::PREFIX) && !is_asset {
            return reserved::answer(self, &head, &asked, id).await;
        }
        let Some(target) = target else {
            return unknown_host(&head);
        };
        let (reader, method, asked) = (Reader::of(&head), head.method.clone(), Arc::new(asked));
        let permit = match target {
            Target::BuiltIn(pages) => Ok(Permit::for_built_in(*pages)),
            Target::Resource(resource) => {
                let arrival = Arrival { origin, head: &head, asked: &asked, reader, id };
                self.decide(&site, resource, arrival).await
            }
        };
        let mut user = None;
        let answer = match permit {
            Err(answer) => *answer,
            Ok(permit) => {
                user = permit.user();
                let asked = Arc::clone(&asked);
                let activity = Arc::clone(&origin.activity);
                let leaving = Leaving { head, body, asked, client: origin.client, id, activity };
                let forwarded = self.forwarder.forward(permit, leaving).await;
                let answer = forwarded.unwrap_or_else(|error| failed(reader, &error, id));
                if let Some(EndedSessions(position)) = answer.extensions().get() {
                    self.decider.log.reach(*position).await;
                }
                answer
            }
        };
        record::access(Done {
            method: &method,
            host: asked.host.as_str(),
            path: asked.path.path(),
            client: origin.client,
            user: user.as_deref().unwrap_or_default(),
            status: answer.status(),
        });
        answer
    }

    /// Who sends this request, if it is a session.
    ///
    /// # Errors
    /// When it carries several.
    pub(crate) fn caller(
        &self,
        site: &Site,
        head: &Parts,
        asked: &Asked,
    ) -> Result<Option<Arc<Caller>>, cookies::Twice> {
        site.tokens.caller(&head.headers, &asked.host, &self.decider.sessions, self.clock.now())
    }

    /// A permit, or the answer instead.
    async fn decide(
        &self,
        site: &Site,
        resource: &Arc<Resource>,
        arrival: Arrival<'_>,
    ) -> Result<Permit, Box<Response<Body>>> {
        let Arrival { origin, head, asked, reader, id } = arrival;
        let caller = self.caller(site, head, asked).map_err(|twice| Box::new(ambiguous(reader, twice)))?;
        if let Some(caller) = &caller {
            self.activity.note(caller, self.clock.now());
        }
        let facts = Arc::new(self.facts(resource, origin, head, asked));
        let case =
            Case { resource: Arc::clone(resource), caller: caller.clone(), facts, version: site.version };
        match self.decider.decide(case).await {
            Ruling::Permitted(permit) => Ok(permit),
            Ruling::SignIn => Err(Box::new(sign_in::ask(site, head, asked, reader))),
            Ruling::Denied(reason) => {
                let user = caller.map(|caller| caller.claims.facts.user_name.clone()).unwrap_or_default();
                self.spool.add(Denial {
                    request: id,
                    at: self.clock.now(),
                    user,
                    resource: resource.name.clone(),
                    detail: detail(head, asked, &reason),
                    client: origin.client.to_string(),
                });
                Err(Box::new(denied(reader, &reason, id)))
            }
            Ruling::Unconfirmed => Err(Box::new(reserved::unconfirmed(reader, id))),
        }
    }

    /// What an access rule may read of the request.
    fn facts(&self, resource: &Resource, origin: &Origin, head: &Parts, asked: &Asked) -> RequestFacts {
        RequestFacts {
            method: head.method.as_str().to_owned(),
            host: asked.host.clone(),
            path: asked.path.clone(),
            client: origin.client,
            access_point: self.name.clone(),
            headers: decision_headers(resource, &head.headers),
        }
    }
}

/// The headers that the resource's rules read; several values of one name are joined (RFC 9110
/// section 5.3), and a value that is no text counts as absent.
fn decision_headers(resource: &Resource, headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = |name| {
        let values: Option<Vec<&str>> =
            headers.get_all(name).iter().map(|value| std::str::from_utf8(value.as_bytes()).ok()).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.join(", "))
    };
    resource
        .decision_headers
        .iter()
        .filter_map(|name| Some((name.as_str().to_owned(), value(name)?)))
        .collect()
}

/// What the audit log says of a denied request: no more of a path than is of use there.
fn detail(head: &Parts, asked: &Asked, reason: &str) -> String {
    let what = format!("{} {}{}", head.method, asked.host, asked.path.path());
    let what: String = what.chars().take(LONGEST_DETAIL).collect();
    format!("{what}: {reason}")
}

fn refused(head: &Parts, refusal: accept::Refusal) -> Response<Body> {
    let text = refusal.to_string();
    let words = Words { status: refusal.status(), title: "Request refused", text: &text, id: None };
    let mut answer = answers::words(Reader::of(head), words);
    close(&mut answer);
    answer
}

/// A balancer's own connection asks for more than readiness: either it should have named a client, or it should not ask.
fn unnamed(head: &Parts, origin: &Origin) -> Response<Body> {
    metrics::counter!(PROXY_REFUSED, "cause" => "unnamed").increment(1);
    tracing::debug!(balancer = %origin.client, "request of a balancer that names no client");
    let text = "The balancer before this access point does not say whose request this is.";
    let words = Words { status: StatusCode::BAD_REQUEST, title: "Request refused", text, id: None };
    let mut answer = answers::words(Reader::of(head), words);
    close(&mut answer);
    answer
}

fn ambiguous(reader: Reader, twice: cookies::Twice) -> Response<Body> {
    let text = twice.to_string();
    answers::words(
        reader,
        Words { status: StatusCode::BAD_REQUEST, title: "Request refused", text: &text, id: None },
    )
}

fn unknown_host(head: &Parts) -> Response<Body> {
    answers::words(
        Reader::of(head),
        Words {
            status: StatusCode::NOT_FOUND,
            title: "Unknown host",
            text: "Nothing is published here.",
            id: None,
        },
    )
}

fn denied(reader: Reader, reason: &str, id: Id<RequestKind>) -> Response<Body> {
    answers::words(
        reader,
        Words { status: StatusCode::FORBIDDEN, title: "Access denied", text: reason, id: Some(id) },
    )
}

fn failed(reader: Reader, error: &ForwardError, id: Id<RequestKind>) -> Response<Body> {
    tracing::warn!(%error, request = %id, "request not answered from behind");
    let (title, text) = match error {
        ForwardError::Unreachable { .. } | ForwardError::Lost { .. } | ForwardError::TimedOut { .. } => {
            ("The application does not answer", "Please try again in a moment.")
        }
        ForwardError::Client => ("Request refused", "The request's body was broken off."),
        ForwardError::TooLong => ("Request refused", "The request's body is too long."),
        ForwardError::PagesAway(_) => {
            ("Please try again in a moment", "This page cannot be made at the moment.")
        }
    };
    let mut answer = answers::words(reader, Words { status: error.status(), title, text, id: Some(id) });
    if matches!(error, ForwardError::Client | ForwardError::TooLong) {
        close(&mut answer);
    }
    answer
}

fn close(answer: &mut Response<Body>) {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answers::close(answer);
    }
}
