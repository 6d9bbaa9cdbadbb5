//! Sends one request to an application: to one server, and when that one cannot be reached, dies
//! or is silent for too long, to another.
//!
//! A request is repeated only when nothing of it can have been acted upon: it was not sent, or its
//! method is idempotent (RFC 9110 section 9.2.2) and its whole body is at hand. While a server may
//! still answer, a second one is asked as well only for a request that changes nothing and has no
//! body; whichever answers first is heard. It costs nothing where the first is silent altogether,
//! since that one does no work; where it answers others, a twentieth of the requests at most.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use evergate_failover::MemberId;
use evergate_failover::engine::Failure;
use evergate_failover::shell::tell::{tell_hedge, tell_retry};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::pool::Lease;
use super::server::{ConnectError, Server};
use super::upstreams::{Attempt, Choice, Upstreams, Watch};
use super::{ForwardError, Forwarder};
use crate::body::{ClientFailed, Outgoing};

/// A request that must not be repeated takes no connection that was idle for longer: the server may
/// be closing it at this moment.
const FRESH: Duration = Duration::from_secs(1);
/// A request that waits looks for the first time after so long whether its server is doubted.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// And then so often.
const LOOK: Duration = Duration::from_millis(50);

/// A server's answer, and the connection it comes over.
pub(super) type Answered = (Response<Incoming>, Lease);

/// How one attempt ended.
enum Ending {
    Answered(Response<Incoming>, Lease),
    /// No connection: nothing was sent.
    NotConnected(Request<Outgoing>, ConnectError),
    /// The connection died; the request is there again if nothing of it was sent.
    Lost {
        unsent: Option<Request<Outgoing>>,
        was_idle: bool,
        why: hyper::Error,
    },
}

/// An attempt on its way.
type Run<'a> = Pin<Box<dyn Future<Output = (Attempt, Ending)> + Send + 'a>>;

/// A request on its way, with all that was tried.
pub(super) struct Course<'a> {
    upstreams: &'a Arc<Upstreams>,
    client_failed: &'a ClientFailed,
    /// The request, unless it was sent.
    request: Option<Request<Outgoing>>,
    /// Its like, if it may be repeated.
    copy: Option<Request<Outgoing>>,
    /// Two servers may have it at once.
    is_safe: bool,
    is_upgrade: bool,
    may_use_idle: bool,
    tried: Vec<MemberId>,
    /// The attempts on their way that have taken long, the latest last.
    waiting: Vec<Watch>,
    why: String,
}

impl<'a> Course<'a> {
    /// A request to one of these servers; `is_upgrade`: on a connection of its own, which may become
    /// a tunnel.
    pub(super) fn new(
        upstreams: &'a Arc<Upstreams>,
        request: Request<Outgoing>,
        client_failed: &'a ClientFailed,
        is_upgrade: bool,
    ) -> Self {
        let copy = if request.method().is_idempotent() { again(&request) } else { None };
        let is_safe = copy.is_some() && request.method().is_safe() && request.body().is_end_stream();
        Self {
            upstreams,
            client_failed,
            request: Some(request),
            copy,
            is_safe,
            is_upgrade,
            may_use_idle: !is_upgrade,
            tried: Vec::new(),
            waiting: Vec::new(),
            why: "there is none".to_owned(),
        }
    }

    /// The server that has the next turn, with the request for it.
    fn next(&mut self) -> Result<(Attempt, Request<Outgoing>), ForwardError> {
        let choice = if self.is_safe { Choice::Any } else { Choice::NoTrials };
        let attempt = self.upstreams.choose(&self.tried, choice).ok_or_else(|| self.unreachable())?;
        self.begin(attempt)
    }

    fn begin(&mut self, attempt: Attempt) -> Result<(Attempt, Request<Outgoing>), ForwardError> {
        let request = self.request.take().or_else(|| self.copy.as_ref().and_then(again));
        let request = request.ok_or_else(|| self.lost())?;
        self.tried.push(attempt.server().member.clone());
        Ok((attempt, request))
    }

    /// Takes note of how an attempt ended; an answer if that is what it was.
    fn ended(&mut self, attempt: Attempt, ending: Ending) -> Result<Option<Answered>, ForwardError> {
        let member = attempt.server().member.clone();
        self.waiting.retain(|watch| watch.server().member != member);
        match ending {
            Ending::Answered(answer, lease) => {
                attempt.answered();
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS && !self.is_upgrade {
                    "unasked upgrade".clone_into(&mut self.why);
                    return Err(self.lost());
                }
                return Ok(Some((answer, lease)));
            }
            Ending::NotConnected(request, error) => {
                tracing::debug!(server = %member, %error, "server not reached");
                self.why = error.to_string();
                self.request = Some(request);
                attempt.failed(failure(&error));
            }
            Ending::Lost { .. } if self.client_failed.is_set() => return Err(ForwardError::Client),
            Ending::Lost { unsent, was_idle, why } => {
                tracing::debug!(server = %member, error = %why, was_idle, "connection lost");
                self.why = why.to_string();
                self.request = unsent;
                // An idle connection may end at any time: a new one will tell.
                self.may_use_idle = false;
                if was_idle {
                    self.tried.retain(|tried| *tried != member);
                } else {
                    attempt.failed(Failure::Reset);
                }
                if self.request.is_none() && self.copy.is_none() {
                    return Err(self.lost());
                }
                if !was_idle {
                    tell_retry(&self.upstreams.link);
                }
            }
        }
        Ok(None)
    }

    /// Looks at the attempt that waits: doubts its server if that is silent, and answers a second
    /// one if it is time.
    fn look(&mut self) -> Option<Attempt> {
        let Self { upstreams, tried, is_safe, is_upgrade, .. } = self;
        let latest = self.waiting.last_mut().filter(|_| upstreams.servers().len() > 1)?;
        let is_long = latest.waited() >= upstreams.latency.patience();
        let is_doubted = latest.is_doubted(upstreams, is_long);
        if !*is_safe || !upstreams.is_other_well(tried) {
            return None;
        }
        if !is_doubted && (*is_upgrade || !is_long || !upstreams.latency.may_hedge()) {
            return None;
        }
        let second = upstreams.choose(tried, Choice::Well)?;
        if is_doubted {
            tell_retry(&upstreams.link)
        } else {
            tell_hedge(&upstreams.link)
        }
        Some(second)
    }

    fn unreachable(&self) -> ForwardError {
        ForwardError::Unreachable { link: self.upstreams.link.clone(), why: self.why.clone() }
    }

    fn lost(&self) -> ForwardError {
        ForwardError::Lost { link: self.upstreams.link.clone(), why: self.why.clone() }
    }

    fn timed_out(&self) -> ForwardError {
        ForwardError::TimedOut { link: self.upstreams.link.clone() }
    }
}

impl Forwarder {
    /// Sends to one server after the other until one answers.
    pub(super) async fn send(&self, mut course: Course<'_>) -> Result<Answered, ForwardError> {
        let (attempt, request) = course.next()?;
        let server = Arc::clone(attempt.server());
        let mut first = pin!(self.attempt(&server, request, self.terms(&course)));
        match timeout(FIRST_LOOK, first.as_mut()).await {
            Ok(ending) => match course.ended(attempt, ending)? {
                Some(answered) => Ok(answered),
                None => Box::pin(self.go_on(course, None)).await,
            },
            Err(_) => {
                let attempt = attempt.watched(&mut course.waiting);
                let first: Run<'_> = Box::pin(async move { (attempt, first.await) });
                Box::pin(self.go_on(course, Some(first))).await
            }
        }
    }

    /// The same, where the first attempt has failed or takes long.
    async fn go_on<'a>(
        &'a self,
        mut course: Course<'_>,
        first: Option<Run<'a>>,
    ) -> Result<Answered, ForwardError> {
        let deadline = Instant::now() + self.settings.answer;
        let mut runs: FuturesUnordered<Run<'a>> = first.into_iter().collect();
        loop {
            let next = if runs.is_empty() { Some(course.next()?) } else { None };
            let second = course.look().and_then(|attempt| course.begin(attempt).ok());
            for (attempt, request) in next.into_iter().chain(second) {
                let terms = self.terms(&course);
                let server = Arc::clone(attempt.server());
                let attempt = attempt.watched(&mut course.waiting);
                runs.push(Box::pin(async move { (attempt, self.attempt(&server, request, terms).await) }));
            }
            tokio::select! {
                biased;
                Some((attempt, ending)) = runs.next() => {
                    if let Some(answered) = course.ended(attempt, ending)? {
                        return Ok(answered);
                    }
                }
                () = sleep(LOOK) => {}
                () = sleep_until(deadline) => return Err(course.timed_out()),
            }
        }
    }

    /// What holds for the attempt that begins now.
    fn terms(&self, course: &Course<'_>) -> Terms {
        let is_other_well = course.upstreams.is_other_well(&course.tried);
        let patience = course.upstreams.latency.patience();
        Terms {
            idle: course.may_use_idle.then_some(match course.copy {
                Some(_) => self.settings.upstream_idle,
                None => FRESH,
            }),
            // Where another could have it, what does not come about soon is given up.
            connect: if is_other_well { self.settings.connect.min(patience) } else { self.settings.connect },
        }
    }

    async fn attempt(&self, server: &Arc<Server>, request: Request<Outgoing>, terms: Terms) -> Ending {
        let idle = match terms.idle {
            Some(fresh) => self.pool.take(server.number, fresh).await,
            None => None,
        };
        let was_idle = idle.is_some();
        let mut sender = match idle {
            Some(sender) => sender,
            None => match server.connect(&self.connector, terms.connect).await {
                Ok(sender) => sender,
                Err(error) => return Ending::NotConnected(request, error),
            },
        };
        match sender.try_send_request(request).await {
            Ok(answer) => Ending::Answered(answer, Lease::new(Arc::clone(&self.pool), server.number, sender)),
            Err(mut error) => {
                let unsent = error.take_message();
                Ending::Lost { unsent, was_idle, why: error.into_error() }
            }
        }
    }
}

/// What holds for one attempt.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// A connection may be used that was idle for at most so long.
    idle: Option<Duration>,
    /// A new one must be made in so long.
    connect: Duration,
}

/// The same request, if its body is at hand.
fn again(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    let body = request.body().again()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

const fn failure(error: &ConnectError) -> Failure {
    match error {
        ConnectError::Refused(_) | ConnectError::NoAddress(_) => Failure::Refused,
        ConnectError::TimedOut => Failure::TimedOut,
        ConnectError::Tls(_) | ConnectError::Http(_) => Failure::Reset,
    }
}
