//! Two processes over real TLS: who is admitted, who is not, and what changes while connections stand.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use evergate_failover::Member;
use evergate_failover::shell::Dial;
use evergate_model::id::Lineage;
use evergate_model::snapshot::Admitted;
use evergate_model::{Id, Secret, Service, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Request;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tonic::body::Body;

use super::*;
use crate::bootstrap::AdministrationPeer;
use crate::clock::Clock;
use crate::instance::Instance;
use crate::internal_listener::{self, Limits};
use crate::lifecycle::Lifecycle;
use crate::link::{Link, LinkDial, LinkError, Target};
use crate::names::{Names, Resolver};
use crate::readiness::Readiness;

/// An identity CA of a test.
struct Ca(CertifiedIssuer<'static, KeyPair>);

struct Issued {
    certificate: String,
    key: Secret<String>,
    sha256: String,
}

impl Ca {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    fn issue(&self, peer: &Peer, expired: bool) -> Issued {
        self.issue_in(peer, 2019, if expired { 2020 } else { 4096 })
    }

    fn issue_in(&self, peer: &Peer, year: i32, until: i32) -> Issued {
        let mut parameters = CertificateParams::new(vec![peer.dns_name()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(year, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Issued {
            certificate: certificate.pem(),
            key: Secret::new(key.serialize_pem()),
            sha256: sha256(certificate.der()),
        }
    }
}

fn named(name: &str, service: Service) -> Peer {
    Peer::new(name.parse().unwrap(), service)
}

fn admitted(peer: &Peer, sha256: &str) -> Admitted {
    Admitted { instance: peer.instance.clone(), service: peer.service, certificates: vec![sha256.to_owned()] }
}

/// An instance with a certificate of `ca`; it believes `administration1` with the given hash.
fn instance(ca: &Ca, peer: &Peer, issued: &Issued, administration: &str) -> Instance {
    let bootstrap = Bootstrap {
        lineage: Id::<Lineage>::new(Timestamp::from_seconds(1), [0; 10]),
        instance: peer.instance.clone(),
        service: peer.service,
        identity_roots: vec![ca.0.pem()],
        certificate: issued.certificate.clone(),
        key: issued.key.clone(),
        administration: vec![AdministrationPeer {
            instance: "administration1".parse().unwrap(),
            address: "127.0.0.1:1".to_owned(),
            certificates: vec![administration.to_owned()],
        }],
        snapshot_keys: Vec::new(),
        listen: None,
        operations: "127.0.0.1:0".to_owned(),
        database: None,
        wrapping_key: None,
        listeners: Vec::new(),
        is_outside: false,
    };
    Instance {
        identity: Identity::from_bootstrap(&bootstrap).unwrap(),
        bootstrap: Arc::new(bootstrap),
        data: std::path::PathBuf::new(),
        clock: Clock::system(),
        lifecycle: Lifecycle::new(),
        readiness: Readiness::starting(),
    }
}

/// A caller and a listening server, each believing the other.
struct Pair {
    ca: Ca,
    caller: Instance,
    server: Instance,
    caller_certificate: String,
    target: Arc<Target>,
}

async fn pair(server_service: Service, caller_expired: bool) -> Pair {
    let ca = Ca::new();
    let caller_peer = named("access-point1", Service::AccessPoint);
    let server_peer = named("administration1", server_service);
    let (caller_issued, server_issued) =
        (ca.issue(&caller_peer, caller_expired), ca.issue(&server_peer, false));
    let caller = instance(&ca, &caller_peer, &caller_issued, &server_issued.sha256);
    let server = instance(&ca, &server_peer, &server_issued, &server_issued.sha256);
    caller.identity.set_admitted(vec![admitted(&server_peer, &server_issued.sha256)]);
    server.identity.set_admitted(vec![admitted(&caller_peer, &caller_issued.sha256)]);
    server.readiness.started();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let who =
        |peer: axum::Extension<Peer>| async move { format!("{} expired={}", peer.dns_name(), peer.expired) };
    let router = internal_listener::heartbeat(&server.readiness).route("/who", axum::routing::get(who));
    internal_listener::serve(&server, listener, router, Limits::default()).unwrap();
    let target = Arc::new(Target { peer: server_peer, address });
    Pair { ca, caller, server, caller_certificate: caller_issued.sha256, target }
}

impl Pair {
    async fn connect(&self) -> Result<Link, LinkError> {
        let names = Names::system(&self.caller.lifecycle);
        Link::connect(&self.caller.identity, &self.caller.lifecycle, &names, Arc::clone(&self.target)).await
    }

    /// Connects and calls; TLS 1.3 tells of a refused client only after its own handshake is over.
    async fn who(&self) -> Result<String, LinkError> {
        let link = self.connect().await?;
        let request = Request::get("/who").body(Body::empty()).unwrap();
        let answer = link.send(request).await?;
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn an_admitted_caller_is_known_by_name_to_the_handlers() {
    let pair = pair(Service::Administration, false).await;
    assert_eq!(pair.who().await.unwrap(), "access-point1.access-point.evergate.internal expired=false");
    let link = pair.connect().await.unwrap();
    assert_eq!(link.heartbeat().await.unwrap(), http::StatusCode::NO_CONTENT);
    pair.server.readiness.not_ready("draining", "draining");
    assert_eq!(link.heartbeat().await.unwrap(), http::StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_caller_that_is_not_admitted_is_refused() {
    let pair = pair(Service::Administration, false).await;
    pair.server.identity.set_admitted(Vec::new());
    assert!(pair.who().await.is_err());
    // The right name with another certificate of the same CA is refused as well.
    let other = pair.ca.issue(pair.caller.identity.me(), false);
    pair.server.identity.set_admitted(vec![admitted(pair.caller.identity.me(), &other.sha256)]);
    assert!(pair.who().await.is_err());
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused_although_it_is_listed() {
    let pair = pair(Service::Administration, false).await;
    let forged = Ca::new().issue(pair.caller.identity.me(), false);
    pair.server.identity.set_admitted(vec![admitted(pair.caller.identity.me(), &forged.sha256)]);
    pair.caller.identity.replace(&forged.certificate, &forged.key).unwrap();
    assert!(pair.who().await.is_err());
}

#[tokio::test]
async fn a_peer_that_is_somebody_else_is_refused() {
    let mut pair = pair(Service::Administration, false).await;
    pair.target = Arc::new(Target {
        peer: named("administration2", Service::Administration),
        address: pair.target.address.clone(),
    });
    assert!(matches!(pair.connect().await, Err(LinkError::Handshake { .. })));
}

#[tokio::test]
async fn the_connection_of_a_peer_is_closed_when_it_is_no_longer_admitted() {
    let pair = pair(Service::Administration, false).await;
    let link = pair.connect().await.unwrap();
    link.heartbeat().await.unwrap();
    pair.server.identity.set_admitted(Vec::new());
    tokio::time::timeout(Duration::from_secs(1), link.closed()).await.expect("closed within a second");
    assert!(link.is_closed());
    assert!(link.heartbeat().await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_and_a_second_root_are_taken_without_a_pause() {
    let pair = pair(Service::Administration, false).await;
    let link = pair.connect().await.unwrap();
    let second = Ca::new();
    let renewed = second.issue(pair.caller.identity.me(), false);
    pair.server.identity.set_roots(&[pair.ca.0.pem(), second.0.pem()]).unwrap();
    let mut both = admitted(pair.caller.identity.me(), &pair.caller_certificate);
    both.certificates.push(renewed.sha256.clone());
    pair.server.identity.set_admitted(vec![both]);
    pair.caller.identity.replace(&renewed.certificate, &renewed.key).unwrap();
    assert!(pair.who().await.is_ok(), "the new one is accepted");
    assert!(link.heartbeat().await.is_ok(), "and the old connection goes on");
}

#[tokio::test]
async fn an_expired_certificate_passes_at_administration_only_and_is_marked() {
    let at_administration = pair(Service::Administration, true).await;
    assert!(at_administration.who().await.unwrap().ends_with("expired=true"));
    assert!(pair(Service::Policy, true).await.who().await.is_err());
}

#[tokio::test]
async fn a_request_to_a_server_that_went_is_known_not_to_have_arrived() {
    let pair = pair(Service::Administration, false).await;
    let link = pair.connect().await.unwrap();
    link.heartbeat().await.unwrap();
    pair.server.lifecycle.stop("test");
    assert!(pair.server.lifecycle.finish(Duration::from_secs(5)).await, "idle connections end at once");
    let error = link.heartbeat().await.unwrap_err();
    assert_eq!(error.reach(), evergate_failover::Reach::NotReached, "{error:?}");
    let error = pair.connect().await.unwrap_err();
    assert!(matches!(error, LinkError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn who_was_away_believes_administration_by_a_newer_certificate_until_it_hears_which() {
    let pair = pair(Service::Administration, false).await;
    let at = |year: i32| Timestamp::from_seconds(rcgen::date_time_ymd(year, 1, 1).unix_timestamp());
    let believed = || async { pair.connect().await.is_ok() };
    let renew = |year: i32| {
        let renewed = pair.ca.issue_in(&pair.target.peer, year, 4096);
        pair.server.identity.replace(&renewed.certificate, &renewed.key).unwrap();
    };
    renew(2021);
    assert!(!believed().await, "it is not on the list");
    let known = vec![pair.target.peer.instance.clone()];
    pair.caller.identity.believe_newer(known.clone(), at(2020));
    assert!(believed().await, "it was issued since");
    pair.caller.identity.believe_newer(known.clone(), at(2022));
    assert!(!believed().await, "it is older than the list, and not on it: somebody took it off");
    pair.caller.identity.believe_newer(vec!["administration2".parse().unwrap()], at(2020));
    assert!(!believed().await, "it is nobody whom this instance knows");
    pair.caller.identity.believe_newer(known, at(2020));
    pair.caller.identity.set_admitted(Vec::new());
    assert!(!believed().await, "the next list is exact");
}

#[tokio::test]
async fn nobody_but_administration_is_believed_by_a_newer_certificate() {
    let pair = pair(Service::Policy, false).await;
    let renewed = pair.ca.issue(&pair.target.peer, false);
    pair.server.identity.replace(&renewed.certificate, &renewed.key).unwrap();
    pair.caller.identity.believe_newer(vec![pair.target.peer.instance.clone()], Timestamp::from_seconds(0));
    assert!(pair.connect().await.is_err());
}

#[test]
fn a_request_names_this_instance_and_its_key_fits_the_certificate() {
    let ca = Ca::new();
    let me = named("policy1", Service::Policy);
    let instance = instance(&ca, &me, &ca.issue(&me, false), "");
    let made = instance.identity.request().unwrap();
    let request = rcgen::CertificateSigningRequestParams::from_pem(&made.request).unwrap();
    let certificate = request.signed_by(&ca.0).unwrap();
    instance.identity.replace(&certificate.pem(), &made.key).unwrap();
    let der = CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap();
    assert_eq!(instance.identity.own().certificate_sha256, sha256(&der));
    // Somebody else's certificate is not taken.
    let other = ca.issue(&named("policy2", Service::Policy), false);
    assert!(matches!(
        instance.identity.replace(&other.certificate, &other.key),
        Err(IdentityError::SomebodyElse { .. })
    ));
}

/// A name server that knows one address, or is away.
#[derive(Debug)]
struct NameServer(Mutex<Option<&'static str>>);

impl Resolver for NameServer {
    fn look_up(&self, _: Arc<str>) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        match *self.0.lock().unwrap() {
            Some(ip) => std::future::ready(Ok(vec![SocketAddr::new(ip.parse().unwrap(), 0)])).boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

/// An address that answers nothing, as that of a container which is gone: its queue of connections is
/// full.
async fn black_hole(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut taken = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        taken.push(connected.unwrap());
    }
    (listener, taken)
}

#[tokio::test]
async fn a_peer_that_moved_from_an_address_that_is_silent_now_is_found_by_the_same_connection() {
    let pair = pair(Service::Administration, false).await;
    let address: SocketAddr = pair.target.address.parse().unwrap();
    let before = SocketAddr::new("127.0.0.2".parse().unwrap(), address.port());
    let _silent = black_hole(before).await;
    let server = Arc::new(NameServer(Mutex::new(Some("127.0.0.2"))));
    let (lifecycle, identity) = (&pair.caller.lifecycle, &pair.caller.identity);
    let names = Names::new(lifecycle, Arc::clone(&server) as Arc<dyn Resolver>);
    let found = names.reach("peer", 1, |address| async move { Ok::<_, ()>(address.ip()) }).await;
    assert_eq!(found.unwrap(), before.ip());

    *server.0.lock().unwrap() = Some("127.0.0.1");
    let dial = LinkDial::new(identity.clone(), lifecycle.clone(), Service::Administration).with_names(names);
    let member = Member::new("administration1", &format!("peer:{}", address.port()), 1);
    let link = dial.dial(&member).await.unwrap();
    assert_eq!(link.heartbeat().await.unwrap(), http::StatusCode::NO_CONTENT);

    // The names are away: the next connection does not notice.
    *server.0.lock().unwrap() = None;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    let begun = Instant::now();
    let link = dial.dial(&member).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(link.heartbeat().await.unwrap(), http::StatusCode::NO_CONTENT);
}
