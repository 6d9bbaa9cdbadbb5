//! How a failover pool of internal peers connects and listens for signs of life.

use std::sync::Arc;

use evergate_failover::shell::{Beat, BeatError, Dial, DialError};
use evergate_failover::{Member, Reach};
use evergate_model::Service;
use evergate_model::name::NameError;

use super::{Link, LinkError};
use crate::identity::{Identity, Peer};
use crate::lifecycle::Lifecycle;
use crate::names::Names;

/// A peer and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Who must answer there.
    pub peer: Peer,
    /// Where, `host:port`.
    pub address: String,
}

/// Dials the instances of one service.
#[derive(Debug, Clone)]
pub struct LinkDial {
    identity: Identity,
    lifecycle: Lifecycle,
    names: Names,
    service: Service,
}

impl LinkDial {
    /// A dialler of that service's instances, with this instance's identity. To be called where tasks
    /// can run.
    #[must_use]
    pub fn new(identity: Identity, lifecycle: Lifecycle, service: Service) -> Self {
        let names = Names::system(&lifecycle);
        Self { identity, lifecycle, names, service }
    }

    /// The same, with names that lead where these do.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }
}

impl Dial for LinkDial {
    type Link = Link;

    async fn dial(&self, member: &Member) -> Result<Link, DialError> {
        let instance =
            member.id.as_str().parse().map_err(|error: NameError| DialError::Dropped(error.to_string()))?;
        let peer = Peer::new(instance, self.service);
        let target = Arc::new(Target { peer, address: member.address.to_string() });
        Link::connect(&self.identity, &self.lifecycle, &self.names, target).await.map_err(|error| match error
        {
            LinkError::Connect { source, .. } => source.into(),
            LinkError::ConnectTimeout { .. } => DialError::TimedOut,
            other => DialError::Dropped(with_causes(&other)),
        })
    }

    async fn beat(&self, link: &Link) -> Result<Beat, BeatError> {
        match link.heartbeat().await {
            Ok(http::StatusCode::SERVICE_UNAVAILABLE) => Ok(Beat::Draining),
            // Any answer is a sign of life.
            Ok(_) => Ok(Beat::Serving),
            // A server that says goodbye gracefully is about to stop.
            Err(error) if error.reach() == Reach::NotReached && !link.is_closed() => Ok(Beat::Draining),
            Err(error) => Err(BeatError::Lost(with_causes(&error))),
        }
    }

    fn is_closed(&self, link: &Link) -> bool {
        link.is_closed()
    }
}

fn with_causes(error: &LinkError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
