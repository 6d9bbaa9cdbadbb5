//! To our own pages: over a link to whichever instance serves them now. A request whose instance
//! dies is repeated at another with the same id, by which its effect is known to be the same.

use std::time::Duration;

use bytes::Bytes;
use evergate_failover::shell::CallOptions;
use evergate_model::Service;
use evergate_wire::peers::Peers;
use futures_util::future::BoxFuture;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use super::headers::{self, Told};
use super::{ForwardError, Forwarder, Leaving};
use crate::body::Body;
use crate::site::BuiltIn;

/// The longest body that a page takes.
const LONGEST: usize = 64 * 1024;
/// The longest body that the API takes.
const LONGEST_API: usize = 1024 * 1024;
/// How long an instance may take to begin its answer, all attempts together: a password's hash
/// takes its time.
const LIMIT: Duration = Duration::from_secs(10);

/// The instances that make our pages. Tests put one of their own in their place.
pub(crate) trait Pages: Send + Sync + 'static {
    /// Sends a request to them; the error says why nobody answered.
    fn send(
        &self,
        pages: BuiltIn,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Incoming>, String>>;
}

/// The pools of this access point, on the runtime where their links live.
#[derive(Debug, Clone)]
pub(crate) struct PeerPages {
    /// The pools.
    pub(crate) peers: Peers,
    /// Their runtime.
    pub(crate) control: tokio::runtime::Handle,
}

impl Pages for PeerPages {
    fn send(
        &self,
        pages: BuiltIn,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Incoming>, String>> {
        let service = match pages {
            BuiltIn::Portal => Service::Authentication,
            BuiltIn::Console => Service::Administration,
        };
        let peers = self.peers.clone();
        let sending = self.control.spawn(async move {
            let pool = peers.pool(service).ok_or("no pool")?;
            // The effect is keyed by the request's id: a repetition finds it done.
            let options = CallOptions::SIGN_IN.within(LIMIT);
            let attempt = |link: evergate_process::link::Link| {
                let request = request.clone().map(|body| tonic::body::Body::new(Full::new(body)));
                async move { link.send(request).await }
            };
            pool.call(options, attempt).await.map_err(|error| error.to_string())
        });
        Box::pin(async move { sending.await.map_err(|error| error.to_string())? })
    }
}

impl Forwarder {
    pub(super) async fn to_pages(
        &self,
        pages: BuiltIn,
        leaving: Leaving,
    ) -> Result<Response<Body>, ForwardError> {
        let Leaving { mut head, body, asked, client, id, .. } = leaving;
        let is_api = pages == BuiltIn::Console && asked.path.is_under("/api");
        let longest = if is_api { LONGEST_API } else { LONGEST };
        let body = self.whole(body, longest).await?;
        prepare(&mut head.headers, &asked.authority, client, id);
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = super::application::target(&asked, &head.uri);
        *request.headers_mut() = head.headers;
        let answer = self.pages.send(pages, request).await.map_err(ForwardError::PagesAway)?;
        let (mut head, incoming) = answer.into_parts();
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, Body::upstream(incoming, None, None, self.settings.answer)))
    }

    /// The whole body, within limits of length and time.
    async fn whole(&self, body: Incoming, longest: usize) -> Result<Bytes, ForwardError> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        if body.size_hint().lower() > longest as u64 {
            return Err(ForwardError::TooLong);
        }
        match tokio::time::timeout(self.settings.stall, Limited::new(body, longest).collect()).await {
            Ok(Ok(all)) => Ok(all.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ForwardError::TooLong),
            _ => Err(ForwardError::Client),
        }
    }
}

/// Our own pages see our cookies, and whose request it is.
fn prepare(
    headers: &mut HeaderMap,
    authority: &HeaderValue,
    client: std::net::IpAddr,
    id: evergate_model::Id<evergate_model::id::Request>,
) {
    let identity = [("x-evergate-request-id", id.to_string()), ("x-evergate-client", client.to_string())]
        .map(|(name, value)| {
            // Both texts are ASCII.
            let value = HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""));
            (HeaderName::from_static(name), value)
        });
    let told = Told { client, authority, identity: &identity, reserved: &[] };
    headers::prepare_page_request(headers, told);
    headers.remove(HOST);
}
