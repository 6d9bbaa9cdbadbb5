//! The pools of an instance: to every service that its kind may call, over mutual TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use evergate_failover::shell::{CallOptions, PoolOptions};
use evergate_failover::{CallError, Classify, Member, Pool, Reach};
use evergate_model::topology::Mode;
use evergate_model::{Service, Topology};
use evergate_process::Instance;
use evergate_process::link::{Link, LinkDial, reach_of_status};
use tonic::{Code, Response, Status};

use crate::authorization::CALLS;
use crate::proto::administration_client::AdministrationClient;
use crate::proto::distribution_client::DistributionClient;
use crate::proto::policy_client::PolicyClient;
use crate::report::LinkReport;

/// The longest message that a peer may send, in bytes.
const MESSAGE_MAX: usize = 64 << 20;

/// Why a call to another service has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It answered, with this status.
    #[error("{service} answered {}: {}", status.code(), status.message())]
    Answered {
        /// Who was called.
        service: Service,
        /// The answer.
        status: Box<Status>,
    },
    /// No instance answered inside the deadline.
    #[error("no {service} instance answered: {why}")]
    Unavailable {
        /// Who was called.
        service: Service,
        /// What the last attempt met.
        why: String,
        /// Whether whoever was asked last said that it was too busy: alive, and not away.
        busy: bool,
    },
}

impl PeerError {
    /// Whether it was refused for load.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Answered { status, .. } => status.code() == Code::ResourceExhausted,
            Self::Unavailable { busy, .. } => *busy,
        }
    }

    /// The code of the answer; [`Code::Unavailable`] where there was none.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Answered { status, .. } => status.code(),
            Self::Unavailable { .. } => Code::Unavailable,
        }
    }

    /// Whether nobody could answer now, so that the same call may succeed later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.code(), Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
    }
}

/// A gRPC answer other than OK, which knows whether it is an answer at all.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .0.code(), .0.message())]
pub struct NotOk(pub Box<Status>);

impl Classify for NotOk {
    fn reach(&self) -> Reach {
        reach_of_status(&self.0)
    }
}

/// The pools of this instance. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Peers(Arc<Pools>);

#[derive(Debug)]
struct Pools {
    by_service: BTreeMap<Service, Pool<LinkDial>>,
    /// Whether this instance stands outside, in the dmz.
    is_outside: bool,
}

/// The services that instances of this kind call.
#[must_use]
pub fn called_by(caller: Service) -> Vec<Service> {
    let names = [
        ("/evergate.Policy/", Service::Policy),
        ("/evergate.Distribution/", Service::Distribution),
        ("/evergate.Administration/", Service::Administration),
    ];
    let calls =
        |prefix: &str| CALLS.iter().any(|(call, by)| call.starts_with(prefix) && by.contains(&caller));
    let mut called: Vec<Service> =
        names.iter().filter(|(prefix, _)| calls(prefix)).map(|(_, service)| *service).collect();
    if caller == Service::AccessPoint {
        // Its pages are forwarded, not called.
        called.push(Service::Authentication);
    }
    if caller == Service::Administration {
        // It has the database.
        called.retain(|service| *service != Service::Administration);
    }
    called
}

impl Peers {
    /// The pools of this instance, empty but for what the bootstrap file says of administration;
    /// their heartbeats run until the process stops.
    #[must_use]
    pub fn start(instance: &Instance) -> Self {
        let pools = called_by(instance.bootstrap.service).into_iter().map(|service| {
            let dial = LinkDial::new(instance.identity.clone(), instance.lifecycle.clone(), service);
            let options = PoolOptions::internal(service.as_str(), instance.clock.now());
            let pool = Pool::new(dial, first_members(instance, service), Mode::Failover, options);
            instance.lifecycle.spawn_until_end("heartbeats", pool.clone().run());
            (service, pool)
        });
        Self(Arc::new(Pools { by_service: pools.collect(), is_outside: instance.bootstrap.is_outside }))
    }

    /// Takes the instances of a new snapshot.
    pub fn follow(&self, topology: &Topology) {
        let member = |peer: &evergate_model::Instance| {
            Member::new(peer.name.as_str(), peer.reached_from(self.0.is_outside), peer.priority)
        };
        for (service, pool) in &self.0.by_service {
            pool.reconfigure(topology.of(*service).map(member).collect(), topology.mode(*service));
        }
    }

    /// The pool to a service; `None` for one that this kind of instance does not call.
    #[must_use]
    pub fn pool(&self, service: Service) -> Option<&Pool<LinkDial>> {
        self.0.by_service.get(&service)
    }

    /// Calls policy.
    ///
    /// # Errors
    /// When the answer is an error, or nobody answers inside the deadline.
    pub async fn policy<T, F, Fut>(&self, options: CallOptions, mut call: F) -> Result<T, PeerError>
    where
        F: FnMut(PolicyClient<Link>) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        self.call(Service::Policy, options, move |link| call(PolicyClient::new(link))).await
    }

    /// Calls distribution.
    ///
    /// # Errors
    /// When the answer is an error, or nobody answers inside the deadline.
    pub async fn distribution<T, F, Fut>(&self, options: CallOptions, mut call: F) -> Result<T, PeerError>
    where
        F: FnMut(DistributionClient<Link>) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        self.call(Service::Distribution, options, move |link| call(DistributionClient::new(link))).await
    }

    /// Calls administration.
    ///
    /// # Errors
    /// When the answer is an error, or nobody answers inside the deadline.
    pub async fn administration<T, F, Fut>(&self, options: CallOptions, mut call: F) -> Result<T, PeerError>
    where
        F: FnMut(AdministrationClient<Link>) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        self.call(Service::Administration, options, move |link| {
            call(AdministrationClient::new(link).max_decoding_message_size(MESSAGE_MAX))
        })
        .await
    }

    async fn call<T, F, Fut>(
        &self,
        service: Service,
        options: CallOptions,
        mut call: F,
    ) -> Result<T, PeerError>
    where
        F: FnMut(Link) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let unavailable = |why, busy| PeerError::Unavailable { service, why, busy };
        let pool = self
            .pool(service)
            .ok_or_else(|| unavailable("this kind of instance has no pool to it".to_owned(), false))?;
        let attempt = |link| {
            let answer = call(link);
            async move { answer.await.map(Response::into_inner).map_err(|status| NotOk(Box::new(status))) }
        };
        pool.call(options, attempt).await.map_err(|error| match error {
            CallError::Answered(NotOk(status)) => PeerError::Answered { service, status },
            error => {
                let busy = matches!(&error, CallError::NoAnswer { busy: true, .. });
                unavailable(error.to_string(), busy)
            }
        })
    }

    /// How the pools are, for the status report.
    #[must_use]
    pub fn report(&self) -> Vec<LinkReport> {
        self.0.by_service.values().map(|pool| LinkReport::new(pool.link(), pool.status())).collect()
    }
}

fn first_members(instance: &Instance, service: Service) -> Vec<Member> {
    if service != Service::Administration {
        return Vec::new();
    }
    let peers = instance.bootstrap.administration.iter().zip(1..);
    peers.map(|(peer, priority)| Member::new(peer.instance.as_str(), &peer.address, priority)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_pools_to_those_it_calls_and_no_others() {
        use Service::{AccessPoint, Administration, Authentication, Distribution, Policy};
        assert_eq!(called_by(AccessPoint), [Policy, Administration, Authentication]);
        assert_eq!(called_by(Authentication), [Policy, Distribution, Administration]);
        assert_eq!(called_by(Policy), [Administration]);
        assert_eq!(called_by(Distribution), [Administration]);
        assert_eq!(called_by(Administration), [Policy, Distribution]);
    }
}
