//! The bodies that pass through: never boxed, never gathered up where they can stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::accept::guard::{InHand, Watched};
use crate::decide::sessions::Tether;
use crate::forward::pool::Lease;
use crate::patience::Patience;

/// The body of an answer to a client.
#[derive(Debug)]
pub(crate) struct Body {
    source: Source,
    in_hand: Option<InHand>,
    watched: Option<Watched>,
}

#[derive(Debug)]
enum Source {
    Whole(Bytes),
    Upstream(Box<Upstream>),
}

/// A body that a server sends us.
#[derive(Debug)]
struct Upstream {
    incoming: Incoming,
    /// The connection it comes over, to be used again after its end.
    lease: Option<Lease>,
    /// The session that may read it, for as long as that lives.
    tether: Option<Tether>,
    patience: Patience,
}

impl Body {
    /// These bytes.
    #[must_use]
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { source: Source::Whole(bytes.into()), in_hand: None, watched: None }
    }

    /// What a server sends, for as long as `tether` holds and it does not pause for longer than
    /// `limit`.
    #[must_use]
    pub(crate) fn upstream(
        incoming: Incoming,
        lease: Option<Lease>,
        tether: Option<Tether>,
        limit: Duration,
    ) -> Self {
        if incoming.is_end_stream() {
            if let Some(lease) = lease {
                lease.give_back();
            }
            return Self::whole(Bytes::new());
        }
        let upstream = Upstream { incoming, lease, tether, patience: Patience::new(limit) };
        Self { source: Source::Upstream(Box::new(upstream)), in_hand: None, watched: None }
    }

    /// Keeps the request in hand until the body has been sent.
    pub(crate) fn hold(&mut self, in_hand: InHand) {
        self.in_hand = Some(in_hand);
    }

    /// Tells when it waits for nobody but the client.
    pub(crate) fn tell(&mut self, watched: Watched) {
        self.watched = Some(watched);
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match &mut self.source {
            Source::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Upstream(upstream) => upstream.poll_frame(context),
        };
        if let Some(watched) = &self.watched {
            watched.asked(frame.is_pending());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Upstream(upstream) => upstream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(upstream) => upstream.incoming.size_hint(),
        }
    }
}

impl Upstream {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.tether.as_ref().is_some_and(Tether::is_cut) {
            return Poll::Ready(Some(Err(io::Error::other("the session has ended"))));
        }
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Pending => self.poll_wait(context).map(|error| Some(Err(error))),
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(Some(Ok(frame))) => {
                self.patience.moved();
                if self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    /// Nothing has come: waits also for the session's end, and for the end of patience.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.tether.as_mut().is_some_and(|tether| tether.poll_cut(context).is_ready()) {
            return Poll::Ready(io::Error::other("the session has ended"));
        }
        self.patience.poll_exhausted(context).map(|()| io::ErrorKind::TimedOut.into())
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

/// The body of a request to a server.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// These bytes, perhaps none.
    Whole(Bytes),
    /// What the client sends, while it sends it.
    Client(Box<FromClient>),
}

/// A body that a client sends us.
#[derive(Debug)]
pub(crate) struct FromClient {
    incoming: Incoming,
    patience: Patience,
    failed: ClientFailed,
}

/// Whether the client broke its own body off, so that the server is not to blame.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientFailed(Arc<AtomicBool>);

impl ClientFailed {
    /// Whether it did.
    #[must_use]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Outgoing {
    /// What the client sends, if it does not pause for longer than `limit`.
    #[must_use]
    pub(crate) fn client(incoming: Incoming, limit: Duration) -> (Self, ClientFailed) {
        let failed = ClientFailed::default();
        let from_client = FromClient { incoming, patience: Patience::new(limit), failed: failed.clone() };
        (Self::Client(Box::new(from_client)), failed)
    }

    /// The same bytes again, where they are all here.
    #[must_use]
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Client(_) => None,
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Client(client) => client.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Client(client) => client.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Client(client) => client.incoming.size_hint(),
        }
    }
}

impl FromClient {
    /// Trailers are dropped: they could carry what was removed from the head.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            let error = match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    self.patience.moved();
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Ok(_trailers))) => continue,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => io::Error::other(error),
                Poll::Pending => match self.patience.poll_exhausted(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => io::ErrorKind::TimedOut.into(),
                },
            };
            self.failed.0.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(error)));
        }
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::whole(Bytes::from_static(text.as_bytes()))
    }
}
