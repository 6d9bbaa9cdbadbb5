//! To an application: over an idle connection or a new one, at another server when the first
//! cannot be reached.
//!
//! A request is repeated only when nothing of it can have been acted upon: it was not sent, or its
//! method is idempotent (RFC 9110 section 9.2.2) and its whole body is at hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evergate_failover::engine::Failure;
use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::headers::{self, Told};
use super::pool::Lease;
use super::server::{ConnectError, Server};
use super::upstreams::Upstreams;
use super::{ForwardError, Forwarder, Leaving};
use crate::accept::Asked;
use crate::body::{Body, ClientFailed, Outgoing};
use crate::decide::Permit;
use crate::site::Resource;

/// Bodies of idempotent requests up to this length are held, so that they can be repeated.
const HELD: u64 = 64 * 1024;
/// A request that must not be repeated takes no connection that was idle for longer: the server may
/// be closing it at this moment.
const FRESH: Duration = Duration::from_secs(1);

/// How one attempt ended.
enum Ending {
    Answered(Response<Incoming>, Lease),
    /// No connection: nothing was sent.
    NotConnected(Request<Outgoing>, ConnectError),
    /// The connection died; the request is there again if it may be repeated.
    Lost {
        again: Option<Request<Outgoing>>,
        was_idle: bool,
        why: hyper::Error,
    },
    TimedOut,
}

impl Forwarder {
    pub(super) async fn to_application(
        &self,
        permit: &Permit,
        resource: &Arc<Resource>,
        leaving: Leaving,
    ) -> Result<Response<Body>, ForwardError> {
        let Leaving { mut head, body, asked, client, .. } = leaving;
        let told = Told {
            client,
            authority: &asked.authority,
            identity: permit.identity(),
            reserved: &resource.reserved_headers,
        };
        headers::prepare_request(&mut head.headers, told);
        head.uri = target(&asked, &head.uri);
        head.version = Version::HTTP_11;
        head.extensions = http::Extensions::new();
        let (body, client_failed) = self.outgoing(&head, body).await?;
        let request = Request::from_parts(head, body);
        let (answer, lease) = self.send(&resource.upstreams, request, &client_failed).await?;
        let (mut head, incoming) = answer.into_parts();
        headers::prepare_answer(&mut head.headers);
        head.version = Version::HTTP_11;
        let body = Body::upstream(incoming, Some(lease), permit.tether(), self.settings.answer);
        Ok(Response::from_parts(head, body))
    }

    /// The body to send: held if it is short and the request may be repeated, else streamed.
    async fn outgoing(
        &self,
        head: &http::request::Parts,
        body: Incoming,
    ) -> Result<(Outgoing, ClientFailed), ForwardError> {
        if body.is_end_stream() {
            return Ok((Outgoing::Whole(Bytes::new()), ClientFailed::default()));
        }
        let is_short = head.headers.contains_key(CONTENT_LENGTH)
            && body.size_hint().exact().is_some_and(|length| length <= HELD);
        if !is_short || !is_idempotent(&head.method) {
            return Ok(Outgoing::client(body, self.settings.stall));
        }
        let all = Limited::new(body, usize::try_from(HELD).unwrap_or(usize::MAX)).collect();
        match tokio::time::timeout(self.settings.stall, all).await {
            Ok(Ok(all)) => Ok((Outgoing::Whole(all.to_bytes()), ClientFailed::default())),
            _ => Err(ForwardError::Client),
        }
    }

    /// Sends to one server after the other until one answers.
    async fn send(
        &self,
        upstreams: &Arc<Upstreams>,
        mut request: Request<Outgoing>,
        client_failed: &ClientFailed,
    ) -> Result<(Response<Incoming>, Lease), ForwardError> {
        let link = || upstreams.link.clone();
        let (mut tried, mut may_use_idle) = (Vec::new(), true);
        let mut why = "there is none".to_owned();
        while let Some(attempt) = upstreams.choose(&tried) {
            match self.attempt(attempt.server(), request, may_use_idle).await {
                Ending::Answered(answer, _) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    attempt.answered();
                    return Err(ForwardError::Lost { link: link(), why: "unasked upgrade".to_owned() });
                }
                Ending::Answered(answer, lease) => {
                    attempt.answered();
                    return Ok((answer, lease));
                }
                Ending::NotConnected(again, error) => {
                    tracing::debug!(server = %attempt.server().member, %error, "server not reached");
                    why = error.to_string();
                    request = again;
                    tried.push(attempt.failed(failure(&error)));
                }
                Ending::Lost { .. } if client_failed.is_set() => return Err(ForwardError::Client),
                Ending::Lost { again, was_idle, why: error } => {
                    tracing::debug!(server = %attempt.server().member, %error, was_idle, "connection lost");
                    why = error.to_string();
                    // An idle connection may end at any time: a new one will tell.
                    may_use_idle = false;
                    if !was_idle {
                        tried.push(attempt.failed(Failure::Reset));
                    }
                    request = again.ok_or_else(|| ForwardError::Lost { link: link(), why: why.clone() })?;
                }
                Ending::TimedOut => {
                    attempt.failed(Failure::TimedOut);
                    return Err(ForwardError::TimedOut { link: link() });
                }
            }
        }
        Err(ForwardError::Unreachable { link: link(), why })
    }

    async fn attempt(&self, server: &Arc<Server>, request: Request<Outgoing>, may_use_idle: bool) -> Ending {
        let is_repeatable = is_idempotent(request.method());
        let fresh = if is_repeatable { self.settings.upstream_idle } else { FRESH };
        let idle = if may_use_idle { self.pool.take(server.number, fresh).await } else { None };
        let was_idle = idle.is_some();
        let mut sender = match idle {
            Some(sender) => sender,
            None => match server.connect(&self.connector).await {
                Ok(sender) => sender,
                Err(error) => return Ending::NotConnected(request, error),
            },
        };
        let copy = if is_repeatable { again(&request) } else { None };
        match tokio::time::timeout(self.settings.answer, sender.try_send_request(request)).await {
            Ok(Ok(answer)) => {
                Ending::Answered(answer, Lease::new(Arc::clone(&self.pool), server.number, sender))
            }
            Ok(Err(mut error)) => {
                let again = error.take_message().or(copy);
                Ending::Lost { again, was_idle, why: error.into_error() }
            }
            Err(_) => Ending::TimedOut,
        }
    }
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

/// The decided path, byte for byte, in origin form (RFC 9112 section 3.2.1).
pub(super) fn target(asked: &Asked, received: &Uri) -> Uri {
    let decided = asked.path.path_and_query();
    if let Some(same) = received.path_and_query().filter(|same| same.as_str() == decided) {
        return Uri::from(same.clone());
    }
    // A normal path is a subset of what a URI may hold.
    PathAndQuery::try_from(decided).map(Uri::from).unwrap_or_default()
}

const fn failure(error: &ConnectError) -> Failure {
    match error {
        ConnectError::Refused(_) | ConnectError::NoAddress(_) => Failure::Refused,
        ConnectError::TimedOut => Failure::TimedOut,
        ConnectError::Tls(_) | ConnectError::Http(_) => Failure::Reset,
    }
}

fn is_idempotent(method: &Method) -> bool {
    method.is_idempotent()
}
