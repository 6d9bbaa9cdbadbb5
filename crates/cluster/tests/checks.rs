//! What a real engine tells `evergate cluster check`, before it is in a swarm and after. Wants root, and Debian's
//! docker.io and busybox-static.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test"
)]

#[path = "swarm/engine.rs"]
mod engine;

use evergate_cluster::checks::membership::Membership;
use evergate_cluster::checks::quorum::Quorum;
use evergate_cluster::checks::{Outcome, engine as engines, probe};
use evergate_cluster::swarm::Engine;

use engine::{ADDRESS, OwnEngine};

#[tokio::test]
async fn an_engine_tells_of_its_swarm_images_ports_and_managers() {
    let own = OwnEngine::start().await;
    let host = own.host();
    let found = probe::engine(&host).await.unwrap();
    let lines = engines::lines(&found.engine);
    assert_eq!(lines[0].outcome(), Outcome::Ok, "{}", lines[0]);
    assert!(found.engine.root.ends_with("data"), "{:?}", found.engine);
    assert!(probe::free(&found.engine.root).unwrap() > 0);
    assert_eq!(found.membership, Membership::None);
    assert!(found.quorum.is_none() && found.nodes.is_empty() && found.containers.is_empty(), "{found:?}");
    assert!(["evergate:1", "evergate-access-point:1"].iter().all(|image| found.images.contains(*image)));

    Engine::open(&host).await.unwrap().make_swarm(ADDRESS).await.unwrap();
    let labels = ["--label", "com.docker.stack.namespace=acme", "--name", "acme_web"];
    own.docker(&[&["run", "--detach", "--publish", "8443:80"], labels.as_slice(), &["evergate:1"]].concat());
    let found = probe::engine(&host).await.unwrap();
    let Membership::Member(member) = &found.membership else { panic!("it is in a swarm: {found:?}") };
    assert!(member.is_manager && member.address == ADDRESS, "{member:?}");
    assert_eq!(member.manager_hosts().collect::<Vec<_>>(), [ADDRESS]);
    assert_eq!(found.quorum, Some(Quorum::Held { reached: 1, away: Vec::new() }));
    assert!(matches!(found.nodes.as_slice(), [(id, _, _)] if *id == member.id), "{found:?}");
    let owner = &found.containers[&8443];
    assert_eq!((owner.name.as_str(), owner.stack.as_deref()), ("acme_web", Some("acme")));
    own.docker(&["rm", "--force", "acme_web"]);
}
