//! How an instance joins its installation: its pools, its feed, and the tasks that keep both true.
//! Every service begins with [`join`].

mod applied;
mod follower;
mod renewal;
mod reporter;
mod timelines;

use std::sync::{Arc, Mutex, PoisonError};

use evergate_process::Instance;

use crate::feed::{Feed, FeedError};
use crate::peers::Peers;
use crate::report::LinkReport;

/// What a service holds of its installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The snapshot and the internal keys it goes by.
    pub feed: Feed,
    /// The pools to the services that it calls.
    pub peers: Peers,
    /// What the status report says besides.
    pub extra: ExtraLinks,
    /// How far all instances are.
    pub applied: AppliedByAll,
    /// Which timeline of the database was seen.
    pub timelines: Timelines,
}

/// Pools beyond [`Peers`] that the status report shows: an access point's upstream pools.
#[derive(Clone, Default)]
pub struct ExtraLinks(Arc<Mutex<Option<ReadLinks>>>);

type ReadLinks = Box<dyn Fn() -> Vec<LinkReport> + Send>;

impl std::fmt::Debug for ExtraLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExtraLinks")
    }
}

impl ExtraLinks {
    /// Asks `read` for them at every report from now on.
    pub fn set(&self, read: impl Fn() -> Vec<LinkReport> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    fn read(&self) -> Vec<LinkReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or_else(Vec::new, |read| read())
    }
}

/// Joins: starts the pools, reads the last good snapshot and keys, and starts the tasks that follow
/// administration, report to it and renew the certificate. Does not wait for administration.
///
/// An administration instance has the database instead and uses [`Feed::accept`] by itself.
///
/// # Errors
/// When the bootstrap file's snapshot keys cannot be used.
pub fn join(instance: &Instance) -> Result<Joined, FeedError> {
    let feed = Feed::open(instance)?;
    let peers = Peers::start(instance);
    let joined = Joined {
        feed,
        peers,
        extra: ExtraLinks::default(),
        applied: AppliedByAll::default(),
        timelines: Timelines::default(),
    };
    instance.lifecycle.spawn_until_stop("apply topology", follower::follow_topology(joined.clone()));
    if instance.bootstrap.service != evergate_model::Service::Administration {
        instance
            .lifecycle
            .spawn_until_stop("follow snapshots", follower::follow(instance.clone(), joined.clone()));
        instance.lifecycle.spawn_until_stop("report", reporter::report(instance.clone(), joined.clone()));
        instance.lifecycle.spawn_until_stop("renew", renewal::renew(instance.clone(), joined.clone()));
    }
    Ok(joined)
}

pub use applied::AppliedByAll;
pub use renewal::{install_stored, renew_by};
pub use reporter::{describe, heed};
pub use timelines::Timelines;
