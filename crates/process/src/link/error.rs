//! Why a link gave no answer, and whether the request can have been acted upon.

use std::error::Error;

use evergate_failover::{Classify, Reach};

/// Why a link gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody took the connection.
    #[error("cannot connect to `{address}`")]
    Connect {
        /// Where.
        address: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answered the connection in time.
    #[error("`{address}` does not answer")]
    ConnectTimeout {
        /// Where.
        address: String,
    },
    /// The peer is somebody else, or does not believe us.
    #[error("no secure connection to `{peer}`")]
    Handshake {
        /// Who it should have been.
        peer: String,
        /// What TLS says.
        #[source]
        source: std::io::Error,
    },
    /// The request never reached a handler.
    #[error("the request did not reach `{peer}`")]
    NotSent {
        /// Who was called.
        peer: String,
        /// What HTTP says.
        #[source]
        source: hyper::Error,
    },
    /// The connection broke before an answer: the request may have been acted upon.
    #[error("the connection to `{peer}` broke before an answer")]
    Lost {
        /// Who was called.
        peer: String,
        /// What HTTP says.
        #[source]
        source: hyper::Error,
    },
}

/// Whether the peer said that it has not looked at the request: a refused stream, or one above
/// the last of a graceful goodbye (RFC 9113, sections 6.8 and 8.7).
pub(super) fn is_refusal(error: &hyper::Error) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = source {
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            let said = h2.is_remote() && h2.reason() == Some(h2::Reason::REFUSED_STREAM);
            let goodbye = h2.is_go_away() && h2.is_remote() && h2.reason() == Some(h2::Reason::NO_ERROR);
            return said || goodbye;
        }
        source = error.source();
    }
    false
}

impl Classify for LinkError {
    fn reach(&self) -> Reach {
        self.reach()
    }
}

/// How far a gRPC call came. A status without a link's error inside was said by the peer, unless
/// its answer broke off half-way.
#[must_use]
pub fn reach_of_status(status: &tonic::Status) -> Reach {
    let mut source: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = source {
        if let Some(link) = error.downcast_ref::<LinkError>() {
            return link.reach();
        }
        if error.is::<hyper::Error>() || error.is::<h2::Error>() {
            return Reach::Lost;
        }
        source = error.source();
    }
    match status.code() {
        tonic::Code::ResourceExhausted => Reach::Busy,
        tonic::Code::Unavailable => Reach::Unable,
        _ => Reach::Answered,
    }
}
