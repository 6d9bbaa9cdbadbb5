//! Starts an access point for one test and ends it with it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use evergate_model::configuration::UserFact;
use evergate_model::id::{Key, Session};
use evergate_model::snapshot::{
    AccessPointPart, AccessPointResource, Head, KeyPurpose, ListenerCertificate, Part, PublicKey, Snapshot,
};
use evergate_model::topology::Mode as PoolMode;
use evergate_model::{Id, Period, Service, SessionFacts, Timestamp, Topology};
use evergate_process::names::Names;
use evergate_process::{Clock, Lifecycle, Readiness};
use evergate_tokens::session_token::{Claims, to_be_signed};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use ipnet::IpNet;
use tokio_rustls::TlsAcceptor;

use super::policy::ToldPolicy;
use crate::certificates::Certificates;
use crate::decide::Decider;
use crate::decide::policy::Policy;
use crate::desk::Shared;
use crate::forward::pages::{PageBody, Pages};
use crate::serve::{follow_mode, start_tasks, start_threads};
use crate::settings::Settings;
use crate::site::{BuiltIn, Site};
use crate::worker::Listener;

/// An access point that runs.
pub(crate) struct AccessPoint {
    pub(crate) address: SocketAddr,
    pub(crate) policy: Arc<ToldPolicy>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) lifecycle: Lifecycle,
    signer: Ed25519KeyPair,
}

impl Drop for AccessPoint {
    fn drop(&mut self) {
        self.lifecycle.stop("the test ended");
    }
}

/// How the access point of a test is.
pub(crate) struct Plan {
    pub(crate) upstreams: Vec<String>,
    pub(crate) permit_cache: Period,
    pub(crate) grace: Period,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) pages: Arc<dyn Pages>,
    pub(crate) certificates: Vec<ListenerCertificate>,
    pub(crate) balancers: Vec<IpNet>,
}

impl Plan {
    pub(crate) fn new(upstreams: &[&str]) -> Self {
        Self {
            upstreams: upstreams.iter().map(ToString::to_string).collect(),
            permit_cache: Period::from_seconds(30),
            grace: Period::from_seconds(900),
            settings: Settings {
                threads: 1,
                tick: Duration::from_millis(20),
                drain_idle: Duration::from_millis(100),
                ..Settings::default()
            },
            clock: Clock::system(),
            pages: Arc::new(NoPages),
            certificates: Vec::new(),
            balancers: Vec::new(),
        }
    }

    /// Starts it: in the clear, unless there are certificates.
    pub(crate) fn start(self) -> AccessPoint {
        let signer = Ed25519KeyPair::generate().unwrap();
        let policy = Arc::new(ToldPolicy::default());
        let dynamic: Arc<dyn Policy> = policy.clone();
        let (lifecycle, readiness) = (Lifecycle::new(), Readiness::starting());
        readiness.started();
        let (snapshot, clock) = (snapshot(&self, &signer), self.clock);
        let shared = Arc::new(Shared {
            site: ArcSwap::from_pointee(Site::from_snapshot(&snapshot, None, &clock).unwrap()),
            decider: Arc::new(Decider::new(Arc::clone(&dynamic), clock.clone(), lifecycle.clone())),
            policy: dynamic,
            spool: Arc::default(),
            activity: Arc::default(),
            clock,
            name: "access-point1".parse().unwrap(),
            names: Names::system(&lifecycle),
            mode: follow_mode(&lifecycle, &readiness),
            readiness,
        });
        start_tasks(&lifecycle, &shared);
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let tls = (!self.certificates.is_empty()).then(|| {
            let certificates = Certificates::default();
            certificates.replace(&self.certificates, &"wiki.example.com".parse().unwrap()).unwrap();
            TlsAcceptor::from(certificates.server_config().unwrap())
        });
        let listeners =
            [Listener { socket, is_shared: self.balancers.is_empty(), balancers: self.balancers.into() }];
        start_threads(&lifecycle, &listeners, tls, &shared, self.pages, &Arc::new(self.settings)).unwrap();
        AccessPoint { address, policy, shared, lifecycle, signer }
    }
}

/// Nobody makes pages here.
struct NoPages;

impl Pages for NoPages {
    fn send(
        &self,
        _: BuiltIn,
        _: Request<bytes::Bytes>,
    ) -> BoxFuture<'static, Result<Response<PageBody>, String>> {
        Box::pin(async { Err("nobody makes pages in this test".to_owned()) })
    }
}

impl AccessPoint {
    /// A token for the session `number` at `wiki.example.com`, which lasts an hour.
    pub(crate) fn token(&self, number: u8) -> String {
        self.token_of_hours(number, 1)
    }

    fn token_of_hours(&self, number: u8, hours: u64) -> String {
        let now = self.shared.clock.now();
        let facts = SessionFacts {
            session: session(number),
            user: Id::new(Timestamp::from_seconds(1), [9; 10]),
            user_name: "alice".to_owned(),
            email: None,
            groups: Vec::new(),
            factors: Vec::new(),
            opened_at: now,
            ends_at: now.plus(Duration::from_secs(hours * 3600)),
        };
        let claims = Claims {
            host: "wiki.example.com".parse().unwrap(),
            issued_at: now,
            expires_at: facts.ends_at,
            facts,
            log_position: 0,
            groups_left_out: false,
        };
        let unsigned = to_be_signed(&claims, key()).unwrap();
        let signature = self.signer.sign(unsigned.message());
        unsigned.assemble(signature.as_ref().try_into().unwrap())
    }

    /// The `Cookie` header of that session.
    pub(crate) fn cookie(&self, number: u8) -> String {
        self.cookie_of_hours(number, 1)
    }

    /// The same of a session that lasts so long.
    pub(crate) fn cookie_of_hours(&self, number: u8, hours: u64) -> String {
        format!("Cookie: __Host-evergate={}\r\n", self.token_of_hours(number, hours))
    }
}

pub(crate) fn session(number: u8) -> Id<Session> {
    Id::new(Timestamp::from_seconds(1), [number; 10])
}

fn key() -> Id<Key> {
    Id::new(Timestamp::from_seconds(1), [7; 10])
}

fn snapshot(plan: &Plan, signer: &Ed25519KeyPair) -> Snapshot {
    let head = Head {
        lineage: Id::new(Timestamp::from_seconds(1), [1; 10]),
        epoch: 1,
        revision: 1,
        version: 1,
        audience: Service::AccessPoint,
        made_at: Timestamp::from_seconds(1),
    };
    let public = HEXLOWER.encode(signer.public_key().as_ref());
    let wiki = AccessPointResource {
        name: "wiki".parse().unwrap(),
        hosts: vec!["wiki.example.com".parse().unwrap()],
        upstreams: plan.upstreams.clone(),
        mode: PoolMode::Failover,
        headers: BTreeMap::from([("X-WebAuth-User".to_owned(), UserFact::User)]),
        decision_headers: vec!["x-team".to_owned()],
        grace: plan.grace,
        permit_cache: plan.permit_cache,
    };
    Snapshot {
        head,
        topology: Topology::default(),
        admitted: Vec::new(),
        identity_roots: Vec::new(),
        public_keys: vec![PublicKey { id: key(), purpose: KeyPurpose::SessionToken, key: public }],
        part: Part::AccessPoint(AccessPointPart {
            portal_host: "portal.example.com".parse().unwrap(),
            console_host: None,
            public_port: Some(8443),
            certificates: plan.certificates.clone(),
            resources: vec![wiki],
        }),
    }
}

/// Waits until `condition` holds; a test that never gets there fails.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}
