//! What is said of a server that works: how it keeps what is written, who can listen, what is broken in
//! its tables.

use std::time::Duration;

use evergate_store::servers::{self, Privacy, Servers};
use evergate_store::{Problem, Settings, Store, integrity};
use rcgen::{CertificateParams, KeyPair};
use tokio::time::Instant;

use crate::cluster::{Cluster, Plan};
use crate::database::Database;

async fn look(url: &str) -> Servers {
    let store = Store::open(url, Settings::default()).await.unwrap();
    let found = servers::look(&store).await.unwrap().expect("it is PostgreSQL");
    store.close().await;
    found
}

#[tokio::test]
async fn a_server_alone_on_this_machine_is_named_and_waits_for_no_standby() {
    let database = Database::new().await;
    let found = look(&database.url()).await;
    assert!(database.url().contains(&format!("@{}/", found.writes)), "{found:?}");
    assert!(found.version.starts_with(|first: char| first.is_ascii_digit()), "{found:?}");
    assert_eq!(
        (found.timeline.timeline, found.is_synchronous, found.privacy),
        (1, false, Privacy::SameMachine)
    );
    assert_eq!(found.others, []);
}

#[tokio::test]
async fn a_standby_is_named_and_counts_when_commits_wait_for_it() {
    let primary = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let (primary, standby) = tokio::task::spawn_blocking(move || {
        let standby = Cluster::follow(&primary);
        (primary, standby)
    })
    .await
    .unwrap();
    let url =
        format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port(), primary.port());
    let found = look(&url).await;
    assert_eq!(found.writes, format!("127.0.0.1:{}", primary.port()));
    assert!(!found.is_synchronous);
    let others: Vec<_> = found.others.iter().map(|other| (other.server.clone(), &other.problem)).collect();
    assert_eq!(others, [(format!("127.0.0.1:{}", standby.port()), &Problem::Standby)]);

    primary.say("alter system set synchronous_standby_names = '*'").await;
    primary.say("select pg_reload_conf()").await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !look(&url).await.is_synchronous {
        assert!(Instant::now() < deadline, "the setting is not seen");
    }
    primary.say("alter role postgres set synchronous_commit = local").await;
    assert!(!look(&url).await.is_synchronous, "whoever commits for itself alone waits for nobody");
}

#[tokio::test]
async fn who_can_listen_on_the_way_is_told_apart() {
    let (key, authority_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &authority_key);
    let leaf = CertificateParams::new(vec!["0.0.0.0".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let plan = Plan { tls: Some((leaf.pem(), key.serialize_pem())), ..Plan::default() };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start_as(&plan)).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root.pem");
    std::fs::write(&root, authority.pem()).unwrap();
    // An address that leads here without saying so: to the program it is another machine.
    let url =
        |parameters: &str| format!("postgres://postgres@0.0.0.0:{}/postgres?{parameters}", cluster.port());
    assert_eq!(look(&url("sslmode=disable")).await.privacy, Privacy::Plain);
    assert_eq!(look(&url("sslmode=require")).await.privacy, Privacy::Unchecked);
    let checked = url(&format!("sslmode=verify-full&sslrootcert={}", root.display()));
    assert_eq!(look(&checked).await.privacy, Privacy::Checked);
    assert_eq!(look(&cluster.url("postgres")).await.privacy, Privacy::SameMachine);
}

#[tokio::test]
async fn a_database_is_whole_until_a_constraint_is_broken_behind_the_servers_back() {
    let database = Database::new().await;
    let store = database.open().await;
    let before = integrity::check(&mut store.read().await.unwrap()).await.unwrap();
    assert_eq!((before.migration, before.problems), (before.known_migration, Vec::new()));
    database
        .tamper(
            "alter table members drop constraint members_user_id_fkey; \
             insert into groups values ('staff', 0); insert into members values ('staff', 'nobody', 0); \
             alter table members add constraint members_user_id_fkey \
             foreign key (user_id) references users (id) not valid",
        )
        .await;
    let after = integrity::check(&mut store.read().await.unwrap()).await.unwrap();
    assert_eq!(
        after.problems,
        [
            "the constraint `members_user_id_fkey` is not valid",
            "a row of `members` refers to one of `users` that is not there"
        ]
    );
}
