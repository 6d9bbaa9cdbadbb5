//! To an application: what it is sent, and what is passed on of its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::headers::{self, Told};
use super::sending::Course;
use super::{ForwardError, Forwarder, Leaving};
use crate::accept::Asked;
use crate::body::{Body, ClientFailed, Outgoing};
use crate::decide::Permit;
use crate::site::Resource;

/// Bodies of idempotent requests up to this length are held, so that they can be repeated.
const HELD: u64 = 64 * 1024;
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
        let course = Course::new(&resource.upstreams, request, &client_failed, false);
        let (answer, lease) = self.send(course).await?;
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
        if !is_short || !head.method.is_idempotent() {
            return Ok(Outgoing::client(body, self.settings.stall));
        }
        let all = Limited::new(body, usize::try_from(HELD).unwrap_or(usize::MAX)).collect();
        match tokio::time::timeout(self.settings.stall, all).await {
            Ok(Ok(all)) => Ok((Outgoing::Whole(all.to_bytes()), ClientFailed::default())),
            _ => Err(ForwardError::Client),
        }
    }
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
