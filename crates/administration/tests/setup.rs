//! Setup on a real directory: first start, later starts, what was interrupted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use evergate_administration::setup::{self, SetUp, set_up};
use evergate_model::configuration::Resource;
use evergate_model::snapshot::Part;
use evergate_model::{Instance, Name, Service, Timestamp, Topology};
use evergate_process::bootstrap::ListenerSource;
use evergate_process::clock::ManualClock;
use evergate_process::identity::PeerCertificate;
use evergate_process::{Bootstrap, files};
use evergate_store::{Settings, Store, configurations, credentials, groups, installation, instances, users};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn topology(base: u16) -> Topology {
    let mut instances = Vec::new();
    for service in Service::ALL {
        for number in [1_u16, 2] {
            let port = base + u16::try_from(instances.len()).unwrap();
            instances.push(Instance {
                name: name(&format!("{service}{number}")),
                service,
                node: name("node"),
                priority: u32::from(number),
                address: format!("127.0.0.1:{port}"),
                operations: format!("127.0.0.1:{}", port + 100),
                outside_address: None,
                listen: None,
                is_outside: false,
            });
        }
    }
    Topology { instances, balanced: Vec::new() }
}

fn resource(host: &str) -> Resource {
    serde_json::from_value(serde_json::json!({
        "hosts": [host], "upstreams": ["http://127.0.0.1:3000"], "rule": "password and totp",
    }))
    .unwrap()
}

fn wanted(directory: &Path) -> SetUp {
    SetUp {
        directory: directory.to_owned(),
        database: setup::sqlite_url(directory),
        database_from_here: None,
        node: None,
        topology: topology(20_000),
        listeners: BTreeMap::from([(
            name("administration1"),
            vec![ListenerSource::address("127.0.0.1:0".to_owned())],
        )]),
        domain: "localhost".parse().unwrap(),
        public_port: 10_443,
        resources: BTreeMap::new(),
        demo: Some((name("welcome"), resource("welcome.localhost"))),
    }
}

async fn open(directory: &Path) -> Store {
    Store::open(setup::sqlite_url(directory).expose(), Settings::default()).await.unwrap()
}

#[tokio::test]
async fn the_first_start_makes_everything_and_the_second_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (wanted, clock) = (wanted(directory.path()), ManualClock::new(NOW));
    let first = set_up(&wanted, &clock.clock()).await.unwrap();
    assert!(first.first_start);
    assert_eq!(first.bootstrap_files.len(), 10);
    let password = std::fs::read_to_string(&first.password_file).unwrap();
    let bootstrap = std::fs::read(&first.bootstrap_files[&name("policy1")]).unwrap();

    let second = set_up(&wanted, &clock.clock()).await.unwrap();
    assert!(!second.first_start);
    assert_eq!(std::fs::read_to_string(&first.password_file).unwrap(), password);
    assert_eq!(std::fs::read(&first.bootstrap_files[&name("policy1")]).unwrap(), bootstrap);

    let store = open(directory.path()).await;
    let mut reading = store.read().await.unwrap();
    let installation = installation::get(&mut reading).await.unwrap().unwrap();
    assert_eq!(installation.revision, 1);
    let (version, configuration) = configurations::latest(&mut reading).await.unwrap().unwrap();
    assert_eq!(version, 1);
    assert_eq!(configuration.console_host.unwrap().as_str(), "console.localhost");
    let admin = users::find_by_name(&mut reading, "admin").await.unwrap().unwrap();
    assert_eq!(groups::names_of(&mut reading, admin.id).await.unwrap(), ["administrators"]);
    let alice = users::find_by_name(&mut reading, "alice").await.unwrap().unwrap();
    let sorts: Vec<_> = credentials::list(&mut reading, alice.id).await.unwrap();
    assert_eq!(sorts.len(), 2);
    let phc = credentials::find_password(&mut reading, admin.id).await.unwrap().unwrap().1;
    assert!(evergate_keys::password::verify(&password.trim().to_owned().into(), Some(&phc)));
}

#[tokio::test]
async fn secrets_are_for_their_owner_alone_and_access_points_get_none() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = wanted(directory.path());
    let made = set_up(&wanted, &ManualClock::new(NOW).clock()).await.unwrap();
    let private = ["evergate.db", "wrapping-key", "administrator-password", "api-token", "demo.json"];
    let private = private.iter().map(|file| directory.path().join(file));
    for file in private.chain(made.bootstrap_files.values().cloned()) {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    for (instance, file) in &made.bootstrap_files {
        let bootstrap = Bootstrap::read(file).unwrap();
        let is_administration = bootstrap.service == Service::Administration;
        let is_access_point = bootstrap.service == Service::AccessPoint;
        assert_eq!(bootstrap.wrapping_key.is_some(), is_administration, "{instance}");
        assert_eq!(bootstrap.database.is_none(), is_access_point, "{instance}");
        assert_eq!(bootstrap.listen.is_none(), is_access_point, "{instance}");
        assert_eq!(bootstrap.administration.len(), 2, "{instance}");
    }
}

#[tokio::test]
async fn each_service_is_sent_its_own_verifiable_part() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = wanted(directory.path());
    let made = set_up(&wanted, &ManualClock::new(NOW).clock()).await.unwrap();
    let bootstrap = Bootstrap::read(&made.bootstrap_files[&name("access-point1")]).unwrap();
    let envelope = setup::latest_snapshot(directory.path(), Service::AccessPoint).await.unwrap();
    let verifier = evergate_tokens::SnapshotVerifier::new(
        bootstrap.lineage,
        Service::AccessPoint,
        &bootstrap.snapshot_keys,
    )
    .unwrap();
    let snapshot = verifier.verify(&envelope).unwrap().into_snapshot();
    let Part::AccessPoint(part) = snapshot.part else { panic!("an access point's part") };
    let hosts: Vec<&str> =
        part.certificates.iter().flat_map(|one| &one.hosts).map(evergate_model::Host::as_str).collect();
    assert_eq!(hosts, ["console.localhost", "portal.localhost", "welcome.localhost"]);
    assert_eq!(snapshot.admitted.len(), 10);
    let own = PeerCertificate::read_pem(&bootstrap.certificate).unwrap();
    let admitted = snapshot.admitted.iter().find(|one| one.instance == own.peer.instance).unwrap();
    assert_eq!(admitted.certificates, [own.sha256]);
    assert!(!String::from_utf8_lossy(&envelope).contains("password and totp"), "no rules");
}

#[tokio::test]
async fn a_later_start_adopts_new_ports_and_resources_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut wanted, clock) = (wanted(directory.path()), ManualClock::new(NOW));
    set_up(&wanted, &clock.clock()).await.unwrap();
    wanted.topology = topology(30_000);
    wanted.public_port = 11_443;
    wanted.resources = BTreeMap::from([(name("wiki"), resource("wiki.localhost"))]);
    let made = set_up(&wanted, &clock.clock()).await.unwrap();
    let store = open(directory.path()).await;
    let mut reading = store.read().await.unwrap();
    let (version, configuration) = configurations::latest(&mut reading).await.unwrap().unwrap();
    assert_eq!((version, configuration.public_port), (2, Some(11_443)));
    assert_eq!(configuration.resources.len(), 2);
    assert_eq!(installation::get(&mut reading).await.unwrap().unwrap().revision, 2);
    assert_eq!(instances::admissions(&mut reading).await.unwrap().len(), 10, "no new certificates");
    let bootstrap = Bootstrap::read(&made.bootstrap_files[&name("policy1")]).unwrap();
    assert_eq!(bootstrap.listen.as_deref(), Some("127.0.0.1:30002"));
}

#[tokio::test]
async fn the_demo_follows_its_ports_and_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let (mut wanted, clock) = (wanted(directory.path()), ManualClock::new(NOW));
    set_up(&wanted, &clock.clock()).await.unwrap();
    let upstreams = vec!["http://127.0.0.1:4000".to_owned()];
    if let Some((_, demo)) = &mut wanted.demo {
        demo.upstreams.clone_from(&upstreams);
    }
    let latest = || async {
        let store = open(directory.path()).await;
        configurations::latest(&mut store.read().await.unwrap()).await.unwrap().unwrap()
    };
    set_up(&wanted, &clock.clock()).await.unwrap();
    let (version, configuration) = latest().await;
    assert_eq!((version, &configuration.resources[&name("welcome")].upstreams), (2, &upstreams));
    let store = open(directory.path()).await;
    let mut tx = store.begin().await.unwrap();
    let without = evergate_model::Configuration { resources: BTreeMap::new(), ..configuration };
    let new = configurations::NewVersion { base: 2, configuration: &without, comment: "", rollback_of: None };
    configurations::publish(&mut tx, &evergate_store::Actor::System, NOW, &new).await.unwrap();
    tx.commit().await.unwrap();
    let made = set_up(&wanted, &clock.clock()).await.unwrap();
    assert!(latest().await.1.resources.is_empty());
    assert_eq!(made.portal_host.as_str(), "portal.localhost");
}

#[tokio::test]
async fn certificates_past_half_of_their_life_are_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (wanted, clock) = (wanted(directory.path()), ManualClock::new(NOW));
    let first = set_up(&wanted, &clock.clock()).await.unwrap();
    let before = Bootstrap::read(&first.bootstrap_files[&name("policy1")]).unwrap().certificate;
    let renewed = directory.path().join("instances/policy1/certificate.json");
    files::write_private(&renewed, b"{}").unwrap();
    clock.advance(Duration::from_secs(31 * 86_400));
    let later = set_up(&wanted, &clock.clock()).await.unwrap();
    let after = Bootstrap::read(&later.bootstrap_files[&name("policy1")]).unwrap();
    assert_ne!(after.certificate, before);
    assert!(!renewed.exists(), "an older one must not be used any more");
    let own = PeerCertificate::read_pem(&after.certificate).unwrap();
    let store = open(directory.path()).await;
    let admitted = instances::admitted(&mut store.read().await.unwrap()).await.unwrap();
    let mine = admitted.iter().find(|one| one.instance == own.peer.instance).unwrap();
    assert!(mine.certificates.contains(&own.sha256));
}

#[tokio::test]
async fn a_start_that_lost_its_files_finishes() {
    let directory = tempfile::tempdir().unwrap();
    let (wanted, clock) = (wanted(directory.path()), ManualClock::new(NOW));
    let first = set_up(&wanted, &clock.clock()).await.unwrap();
    std::fs::remove_file(&first.bootstrap_files[&name("policy1")]).unwrap();
    std::fs::write(&first.bootstrap_files[&name("policy2")], b"{\"half").unwrap();
    std::fs::remove_file(&first.local_ca).unwrap();
    set_up(&wanted, &clock.clock()).await.unwrap();
    for instance in ["policy1", "policy2"] {
        Bootstrap::read(&first.bootstrap_files[&name(instance)]).unwrap();
    }
    assert!(std::fs::read_to_string(&first.local_ca).unwrap().contains("BEGIN CERTIFICATE"));
}

#[tokio::test]
async fn without_its_wrapping_key_an_installation_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (wanted, clock) = (wanted(directory.path()), ManualClock::new(NOW));
    set_up(&wanted, &clock.clock()).await.unwrap();
    let key = directory.path().join("wrapping-key");
    std::fs::remove_file(&key).unwrap();
    let error = set_up(&wanted, &clock.clock()).await.unwrap_err().to_string();
    assert!(error.contains("wrapping-key"), "{error}");
    assert!(!key.exists());
}

#[tokio::test]
async fn a_resource_that_does_not_fit_is_refused_and_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let (mut wanted, clock) = (wanted(directory.path()), ManualClock::new(NOW));
    set_up(&wanted, &clock.clock()).await.unwrap();
    wanted.resources.insert(name("other"), resource("portal.localhost"));
    let error = set_up(&wanted, &clock.clock()).await.unwrap_err();
    assert!(format!("{error:#}").contains("resources.other.hosts"), "{error:#}");
    let store = open(directory.path()).await;
    let latest = configurations::latest(&mut store.read().await.unwrap()).await.unwrap().unwrap();
    assert_eq!(latest.0, 1);
}
