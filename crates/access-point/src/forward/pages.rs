//! To our own pages: over a link to whichever instance serves them now. A request whose instance
//! dies is repeated at another with the same id, by which its effect is known to be the same.

use std::time::Duration;

use bytes::Bytes;
use evergate_failover::shell::CallOptions;
use evergate_failover::{Classify, Reach};
use evergate_model::Service;
use evergate_process::link::{Link, LinkError};
use evergate_wire::page_headers::{BUSY, CLIENT, LOG_POSITION, REQUEST_ID};
use evergate_wire::peers::Peers;
use futures_util::future::BoxFuture;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
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
/// Answers of a known length up to this one are had whole before anything is passed on, so that an
/// instance which dies within its answer is not noticed either.
const WHOLE: u64 = 256 * 1024;
/// How long reading a page may take, all attempts together.
const READ_LIMIT: Duration = Duration::from_secs(5);
/// How long any other request may take: a password's hash takes its time.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// The same while no instance takes connections: enough to outlive a restart.
const LIMIT_WHILE_AWAY: Duration = Duration::from_secs(2);

/// With an answer that speaks of sessions that have ended: the position in the revocation log from which
/// on that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedSessions(pub(crate) i64);

/// The instances that make our pages. Tests put one of their own in their place.
pub(crate) trait Pages: Send + Sync + 'static {
    /// Sends a request to them; the error says why nobody answered.
    fn send(
        &self,
        pages: BuiltIn,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<PageBody>, String>>;
}

/// The body of a page's answer.
#[derive(Debug)]
pub(crate) enum PageBody {
    /// All of it.
    Whole(Bytes),
    /// What is still to come: long, or events without end.
    Stream(Incoming),
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
    ) -> BoxFuture<'static, Result<Response<PageBody>, String>> {
        let service = match pages {
            BuiltIn::Portal => Service::Authentication,
            BuiltIn::Console => Service::Administration,
        };
        let peers = self.peers.clone();
        let sending = self.control.spawn(async move {
            let pool = peers.pool(service).ok_or("no pool")?;
            let mut options = options(pages, request.method());
            if !pool.is_anyone_up() {
                options = options.within(LIMIT_WHILE_AWAY);
            }
            let attempt = |link: Link| {
                let request = request.clone().map(|body| tonic::body::Body::new(Full::new(body)));
                async move {
                    let answer = link.send(request).await?;
                    if answer.headers().contains_key(BUSY) {
                        Err(NoPage::Busy)
                    } else {
                        whole(answer, &link).await
                    }
                }
            };
            pool.call(options, attempt).await.map_err(|error| error.to_string())
        });
        Box::pin(async move { sending.await.map_err(|error| error.to_string())? })
    }
}

/// Why one instance made no page.
#[derive(Debug, thiserror::Error)]
enum NoPage {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("it has too much to do")]
    Busy,
}

impl Classify for NoPage {
    fn reach(&self) -> Reach {
        match self {
            Self::Link(error) => error.reach(),
            Self::Busy => Reach::Busy,
        }
    }
}

/// How a page is called. What is no read has an effect, which is keyed by the request's id: a
/// repetition at another instance finds it done.
fn options(pages: BuiltIn, method: &Method) -> CallOptions {
    match (pages, method) {
        (_, &Method::GET | &Method::HEAD) => CallOptions::READ.relayed().within(READ_LIMIT),
        (BuiltIn::Portal, _) => CallOptions::SIGN_IN.within(WRITE_LIMIT),
        (BuiltIn::Console, _) => CallOptions::WRITE.relayed().within(WRITE_LIMIT),
    }
}

/// The answer with all of its body, unless that is long, or nobody knows how long it will be: then
/// it streams, and belongs to the instance that began it.
async fn whole(answer: Response<Incoming>, link: &Link) -> Result<Response<PageBody>, NoPage> {
    let (head, body) = answer.into_parts();
    if !body.is_end_stream() && body.size_hint().exact().is_none_or(|length| length > WHOLE) {
        return Ok(Response::from_parts(head, PageBody::Stream(body)));
    }
    let lost = |source| LinkError::Lost { peer: link.peer().dns_name(), source };
    let body = body.collect().await.map_err(lost)?.to_bytes();
    Ok(Response::from_parts(head, PageBody::Whole(body)))
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
        let (mut head, body) = answer.into_parts();
        head.version = Version::HTTP_11;
        let position = head.headers.remove(LOG_POSITION);
        if let Some(position) = position.and_then(|value| value.to_str().ok()?.parse().ok()) {
            head.extensions.insert(EndedSessions(position));
        }
        let body = match body {
            PageBody::Whole(bytes) => Body::whole(bytes),
            PageBody::Stream(incoming) => Body::upstream(incoming, None, None, self.settings.answer),
        };
        Ok(Response::from_parts(head, body))
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
    let identity = [(REQUEST_ID, id.to_string()), (CLIENT, client.to_string())].map(|(name, value)| {
        // Both texts are ASCII.
        let value = HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""));
        (name, value)
    });
    let told = Told { client, authority, identity: &identity, reserved: &[] };
    headers::prepare_page_request(headers, told);
    headers.remove(HOST);
}

#[cfg(test)]
mod tests {
    use evergate_failover::shell::CallKind;

    use super::*;

    #[test]
    fn reading_is_hedged_soon_and_writing_is_repeated_in_time() {
        for (pages, method, kind, patience) in [
            (BuiltIn::Portal, Method::GET, CallKind::Read, 300),
            (BuiltIn::Console, Method::HEAD, CallKind::Read, 300),
            (BuiltIn::Portal, Method::POST, CallKind::Write, 1000),
            (BuiltIn::Console, Method::POST, CallKind::Write, 400),
            (BuiltIn::Console, Method::DELETE, CallKind::Write, 400),
        ] {
            let options = options(pages, &method);
            assert_eq!(options.kind, kind, "{pages:?} {method}");
            assert!(options.patience.unwrap() <= Duration::from_millis(patience), "{pages:?} {method}");
        }
    }
}
